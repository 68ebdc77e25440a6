//! Golden counts of the translator's code: see `tests/loops.rs`.
