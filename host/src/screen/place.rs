//! Where the guest's picture lies in a window: whole, in its own proportions, its pixels square and sharp.

/// A rectangle in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Where, and how it gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The part of the window that the picture fills; the rest is black.
    pub place: Rectangle,
    /// Each pixel of the guest's becomes a square of so many of the window's; with [`Placement::shrink`], before that.
    pub scale: u32,
    /// The scaled picture is larger than its place, and is made smaller with smooth edges.
    pub shrink: bool,
}

/// A whole scale must make use of so many hundredths of the room that there is, or a broken one is taken.
const ENOUGH: u64 = 75;

/// Finds the place of a picture in a window. A whole number of pixels each is preferred; where that would leave too much of
/// the window black the picture is first enlarged to more than fits and then shrunk, which blurs no more than the edges of
/// its pixels. Neither may be empty.
pub fn place(picture: (u32, u32), window: (u32, u32)) -> Placement {
    let (width, height) = (picture.0.max(1), picture.1.max(1));
    let room = (window.0.max(1), window.1.max(1));
    let scale = (room.0 / width).min(room.1 / height);
    // The largest size with the picture's proportions: as wide as the window, or as high.
    let (whole_width, whole_height) = (u64::from(width), u64::from(height));
    let wide = whole_height * u64::from(room.0) <= whole_width * u64::from(room.1);
    let fit = if wide {
        (room.0, (whole_height * u64::from(room.0) / whole_width).max(1) as u32)
    } else {
        ((whole_width * u64::from(room.1) / whole_height).max(1) as u32, room.1)
    };
    let exact = (width.saturating_mul(scale), height.saturating_mul(scale));
    let shrink = scale == 0 || u64::from(exact.0) * 100 < u64::from(fit.0) * ENOUGH;
    let size = if shrink { fit } else { exact };
    Placement {
        place: Rectangle {
            x: (room.0 - size.0.min(room.0)) / 2,
            y: (room.1 - size.1.min(room.1)) / 2,
            width: size.0,
            height: size.1,
        },
        scale: if shrink { scale + 1 } else { scale },
        shrink,
    }
}

/// How large a window is made for a guest's picture at first: small ones are doubled as often as it takes to see something,
/// and nothing is larger than the desktop.
pub fn first_size(picture: (u32, u32), desktop: (u32, u32)) -> (u32, u32) {
    let mut scale = 1;
    while picture.0 * (scale + 1) <= 800 && picture.1 * (scale + 1) <= 600 {
        scale += 1;
    }
    // Some of the desktop is the window manager's.
    let most = (desktop.0, desktop.1.saturating_sub(desktop.1 / 12));
    let fits = place(picture, most).place;
    let wanted = (picture.0 * scale, picture.1 * scale);
    if wanted.0 <= most.0 && wanted.1 <= most.1 { wanted } else { (fits.width, fits.height) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(picture: (u32, u32), window: (u32, u32)) -> (u32, u32, u32, u32, u32, bool) {
        let Placement { place, scale, shrink } = place(picture, window);
        (place.x, place.y, place.width, place.height, scale, shrink)
    }

    #[test]
    fn whole_numbers_where_they_fill_the_window_well() {
        assert_eq!(at((720, 400), (720, 400)), (0, 0, 720, 400, 1, false));
        assert_eq!(at((720, 400), (1440, 900)), (0, 50, 1440, 800, 2, false));
        assert_eq!(at((320, 200), (1920, 1080)), (160, 40, 1600, 1000, 5, false));
        assert_eq!(at((640, 480), (641, 481)), (0, 0, 640, 480, 1, false));
    }

    #[test]
    fn otherwise_as_large_as_fits_in_proportion() {
        assert_eq!(at((800, 600), (1920, 1080)), (240, 0, 1440, 1080, 2, true));
        assert_eq!(at((1024, 768), (512, 700)), (0, 158, 512, 384, 1, true));
        assert_eq!(at((720, 400), (1000, 1000)), (0, 222, 1000, 555, 2, true));
    }

    #[test]
    fn nothing_leaves_the_window() {
        for picture in [(0, 0), (1, 1), (720, 400), (2560, 1600), (1, 4000), (65535, 1)] {
            for window in [(0, 0), (1, 1), (3, 200), (720, 401), (4000, 1), (3840, 2160)] {
                let Rectangle { x, y, width, height } = place(picture, window).place;
                assert!(width > 0 && height > 0, "{picture:?} {window:?}");
                assert!(x + width <= window.0.max(1) && y + height <= window.1.max(1), "{picture:?} {window:?}");
            }
        }
    }

    #[test]
    fn windows_begin_visible_and_on_the_desktop() {
        assert_eq!(first_size((720, 400), (1920, 1080)), (720, 400));
        assert_eq!(first_size((320, 200), (1920, 1080)), (640, 400));
        assert_eq!(first_size((1920, 1200), (1920, 1080)), (1584, 990));
        assert_eq!(first_size((640, 480), (1024, 768)), (640, 480));
    }
}
