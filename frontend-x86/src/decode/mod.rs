//! From bytes to ops.
