//! `lyrebird-float` against Berkeley SoftFloat 3: see `tests/agree.rs`. Apart from the workspace, since the oracle is C.
