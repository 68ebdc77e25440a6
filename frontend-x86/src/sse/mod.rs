//! MMX and SSE.
