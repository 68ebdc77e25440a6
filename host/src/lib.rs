//! The host halves: the side of a device that touches the host. Disk images, serial lines on terminals, files, ptys and sockets, the
//! screen in a window or a terminal with its keyboard and mouse, the terminal's modes, the host's clock and the size of its memory. Devices never see any of this; they get handles.

pub mod disk;
pub mod facts;
pub mod screen;
pub mod serial;
#[cfg(unix)]
pub mod terminal;
