//! What the registry promises: whole, unchangeable, numbered once.
