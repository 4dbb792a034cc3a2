//! Replies taken apart: every form of refusal, and what of a chart is used.
