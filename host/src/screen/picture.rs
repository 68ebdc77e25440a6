//! Pictures of the guest's screen in files: PNG, or the characters of a text mode as UTF-8.

use super::cp437;
use lyrebird_core::{Frame, TextScreen};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Why a picture is not in its file.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// There is nothing to see.
    #[error("there was no picture to write into `{}`: the machine has no display adapter, or it gives no signal", .0.display())]
    NoSignal(PathBuf),
    /// The host could not write it.
    #[error("cannot write the picture `{}`: {why}; choose another place for it", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// The host's reason.
        why: io::Error,
    },
    /// A file that should hold a picture does not.
    #[error("`{}` is no PNG file: {why}", .path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Every pixel.
    Png,
    /// The characters, a line each row, without the spaces at the ends of rows.
    Text,
}

impl Format {
    /// By the end of the file's name; `None` if it is not one of ours.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "png" => Some(Format::Png),
            "txt" => Some(Format::Text),
            _ => None,
        }
    }
}

/// Writes a picture, in the format that the file's name asks for (PNG if it asks for none). The file is there whole or not
/// at all: it gets its name when everything is in it.
pub fn save(frame: &Frame, path: &Path) -> Result<(), PictureError> {
    if frame.width == 0 || frame.height == 0 {
        return Err(PictureError::NoSignal(path.into()));
    }
    let fail = |why| PictureError::Write { path: path.into(), why };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = (|| {
        let mut file = BufWriter::new(File::create(&part)?);
        match Format::of(path) {
            Some(Format::Text) => file.write_all(text_of(frame).as_bytes())?,
            Some(Format::Png) | None => write_png(frame, &mut file)?,
        }
        file.into_inner().map_err(|error| error.into_error())?;
        fs::rename(&part, path)
    })();
    written.map_err(|why| {
        _ = fs::remove_file(&part);
        fail(why)
    })
}

/// Writes a picture into the current folder, as `NAME-1.png` or with the next number that is free; says where it is.
pub fn save_new(frame: &Frame, name: &str) -> Result<PathBuf, PictureError> {
    let clean = |letter: char| if letter.is_alphanumeric() { letter } else { '-' };
    let name: String = name.chars().map(clean).collect();
    let folder = std::env::current_dir().unwrap_or_default();
    let free = (1..).map(|number| folder.join(format!("{name}-{number}.png"))).find(|path| !path.exists());
    let path = free.unwrap_or_else(|| folder.join(format!("{name}.png")));
    save(frame, &path)?;
    Ok(path)
}

/// The characters on the screen; for graphics a line that says what there is instead.
pub fn text_of(frame: &Frame) -> String {
    match &frame.text {
        Some(screen) => text(screen),
        None => format!("(graphics, {}x{})\n", frame.width, frame.height),
    }
}

/// A screen of characters as lines of text, without spaces at their ends.
pub fn text(screen: &TextScreen) -> String {
    let characters = cp437::table();
    let mut text = String::new();
    for row in screen.cells.chunks(screen.columns.max(1) as usize) {
        let line: String = row.iter().map(|(code, _)| characters[usize::from(*code)]).collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Writes a frame as PNG, 8 bits a colour.
pub fn write_png(frame: &Frame, out: impl Write) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut bytes = Vec::with_capacity(frame.pixels.len() * 3);
    frame.pixels.iter().for_each(|pixel| bytes.extend_from_slice(&pixel.to_be_bytes()[1..]));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    Ok(writer.finish()?)
}

/// Reads a PNG file, as [`write_png`] or a graphics program made it. Transparency is ignored.
pub fn load(path: &Path) -> Result<Frame, PictureError> {
    let fail = |why: String| PictureError::Read { path: path.into(), why };
    let file = File::open(path).map_err(|error| fail(error.to_string()))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| fail(error.to_string()))?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or_else(|| fail("it is too large".into()))?];
    let info = reader.next_frame(&mut bytes).map_err(|error| fail(error.to_string()))?;
    let channels = info.color_type.samples();
    let colour = |pixel: &[u8]| match *pixel {
        [grey] | [grey, _] => u32::from_be_bytes([0, grey, grey, grey]),
        [red, green, blue, ..] => u32::from_be_bytes([0, red, green, blue]),
        [] => 0,
    };
    let pixels = bytes[..info.buffer_size()].chunks(channels).map(colour).collect();
    Ok(Frame { width: info.width, height: info.height, pixels, text: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lyrebird-picture-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_picture_reads_back() {
        let folder = folder("back");
        let pixels: Vec<u32> = (0..7 * 5).map(|n| n * 0x07_0b_0d).collect();
        let frame = Frame { width: 7, height: 5, pixels, text: None };
        let path = folder.join("a.png");
        save(&frame, &path).unwrap();
        assert_eq!(load(&path).unwrap(), frame);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn text_screens_become_lines() {
        let cells = b"Hi \xdb    \x01  ".iter().map(|code| (*code, 7)).collect();
        let screen = TextScreen { columns: 4, rows: 3, cells, cursor: None };
        assert_eq!(text(&screen), "Hi █\n\n☺\n");
        let frame = Frame { width: 36, height: 48, pixels: vec![0; 36 * 48], text: Some(screen) };
        let folder = folder("text");
        let path = folder.join("a.txt");
        save(&frame, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "Hi █\n\n☺\n");
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(text_of(&Frame { text: None, ..frame }), "(graphics, 36x48)\n");
    }

    #[test]
    fn errors_leave_nothing_and_say_what_to_do() {
        let folder = folder("errors");
        let empty = Frame::default();
        let error = save(&empty, &folder.join("a.png")).unwrap_err().to_string();
        assert!(error.contains("no display adapter"), "{error}");
        let frame = Frame { width: 1, height: 1, pixels: vec![0], text: None };
        let error = save(&frame, &folder.join("no/a.png")).unwrap_err().to_string();
        assert!(error.contains("cannot write the picture") && error.contains("choose another place"), "{error}");
        fs::write(folder.join("b.png"), "no picture").unwrap();
        assert!(load(&folder.join("b.png")).unwrap_err().to_string().contains("is no PNG file"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
