//! Tests of seats and blocks.
