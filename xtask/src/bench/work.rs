//! What is run: guests, the command lines for them, and what is read from their output.

use super::process::{Moment, Run};
use super::table::{Reach, Row};
use std::path::{Path, PathBuf};

/// The work that is no guest.
pub const LOOPS: &str = "loops";
const INIT: &str = "MARK-INIT";
const PART: &str = "BENCH ";
const DONE: &str = "MARK-DONE";
const LOGIN: &str = "login:";
const RAM: &str = "512";

/// A guest to run.
pub struct Work {
    /// What to call it on the command line.
    pub name: &'static str,
    /// Lines to look for; the last ends the run.
    pub marks: Vec<&'static str>,
    /// What `cargo xtask guests` has to be told to make it.
    pub make: String,
    /// With translations that an earlier run has kept.
    pub kept: bool,
    guest: Guest,
    reach: f64,
}

enum Guest {
    Kernel { kernel: PathBuf, initrd: PathBuf, append: &'static str },
    Disk(PathBuf),
    None,
}

/// All of them.
pub fn all(dir: &Path) -> Vec<Work> {
    let images = dir.join("img");
    let kernel = |name, kernel: &str, arch: &str, append, marks, reach| Work {
        name,
        marks,
        make: dir.display().to_string(),
        guest: Guest::Kernel {
            kernel: images.join(format!("vmlinuz-{kernel}")),
            initrd: images.join(format!("initrd-{arch}.gz")),
            append,
        },
        kept: false,
        reach,
    };
    let (boot, bench) = ("console=ttyS0 bench=0", "console=ttyS0");
    vec![
        kernel("amd64", "cloud-amd64", "amd64", boot, vec![INIT], 0.7),
        Work { kept: true, ..kernel("amd64-kept", "cloud-amd64", "amd64", boot, vec![INIT], 0.4) },
        kernel("686", "686", "i386", boot, vec![INIT], 0.6),
        kernel("busybox-amd64", "cloud-amd64", "amd64", bench, vec![INIT, PART, DONE], 0.4),
        kernel("busybox-686", "686", "i386", bench, vec![INIT, PART, DONE], 0.4),
        Work { name: LOOPS, marks: vec![], make: String::new(), kept: false, guest: Guest::None, reach: 0.0 },
        Work {
            name: "disk",
            marks: vec!["Linux version", LOGIN],
            make: format!("{} --debian", dir.display()),
            kept: false,
            guest: Guest::Disk(images.join("deb12-amd64.img")),
            reach: 0.4,
        },
    ]
}

impl Work {
    /// A file that is not there.
    pub fn missing(&self) -> Option<&Path> {
        let files = match &self.guest {
            Guest::Kernel { kernel, initrd, .. } => vec![kernel, initrd],
            Guest::Disk(disk) => vec![disk],
            Guest::None => vec![],
        };
        files.into_iter().find(|file| !file.exists()).map(PathBuf::as_path)
    }

    /// This program's command line; `kept` is the folder of kept translations, or `none`.
    pub fn ours(&self, program: &Path, engine: &str, kept: &str, options: &str) -> Vec<String> {
        let mut words = vec![program.display().to_string()];
        words.extend(["run", "--memory", &format!("{RAM}M"), "--no-reboot", "--serial", "stdio"].map(str::to_owned));
        words.extend(["--engine".into(), engine.into()]);
        if engine != "interp" {
            words.extend(["--translation-cache".into(), kept.into()]);
        }
        words.extend(options.split_whitespace().map(str::to_owned));
        let path = |path: &Path| path.display().to_string();
        match &self.guest {
            Guest::Kernel { kernel, initrd, append } => {
                let pairs = [("--kernel", path(kernel)), ("--initrd", path(initrd)), ("--append", (*append).into())];
                words.extend(pairs.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
            }
            Guest::Disk(disk) => {
                words.extend(["--drive".into(), format!("{},snapshot", path(disk).replace(',', ",,"))])
            }
            Guest::None => {}
        }
        words
    }

    /// QEMU's.
    pub fn qemu(&self, program: &str) -> Vec<String> {
        let mut words = vec![program.to_owned()];
        words.extend(
            ["-accel", "tcg", "-m", RAM, "-display", "none", "-no-reboot", "-serial", "stdio"].map(str::to_owned),
        );
        let path = |path: &Path| path.display().to_string();
        match &self.guest {
            Guest::Kernel { kernel, initrd, append } => {
                let pairs = [("-kernel", path(kernel)), ("-initrd", path(initrd)), ("-append", (*append).into())];
                words.extend(pairs.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
            }
            Guest::Disk(disk) => {
                let drive = format!("file={},format=raw,snapshot=on", path(disk).replace(',', ",,"));
                words.extend(["-drive".into(), drive]);
            }
            Guest::None => {}
        }
        words
    }

    /// The rows of the table.
    pub fn rows(&self, ours: &Run, theirs: Option<&Run>) -> Vec<Row> {
        let row = |work: String, reach: Reach, from: Option<&str>, to: &str| {
            Row::compared(work, reach, span(Some(ours), from, to), span(theirs, from, to))
        };
        let memory = |mut rows: Vec<Row>| {
            if let Some(row) = rows.last_mut() {
                row.memory = Some(ours.own_memory);
            }
            rows
        };
        if self.marks == [INIT] {
            let what = match self.name.strip_suffix("-kept") {
                Some(name) => format!("{name} kernel to its first program, with kept translations"),
                None => format!("{} kernel to its first program", self.name),
            };
            return memory(vec![row(what, Reach::Cpu(self.reach), None, INIT)]);
        }
        if self.marks.contains(&LOGIN) {
            return memory(vec![
                row("Debian disk to its kernel".into(), Reach::Nothing, None, self.marks[0]),
                row("Debian disk to login".into(), Reach::Wall(self.reach), None, LOGIN),
            ]);
        }
        let arch = self.name.trim_start_matches("busybox-");
        let (mut rows, mut before) = (Vec::new(), INIT.to_owned());
        for (line, _) in ours.lines.iter().filter(|(line, _)| line.starts_with(PART)) {
            let name = line.split_whitespace().nth(1).unwrap_or_default();
            if name == "total" {
                continue;
            }
            let float = ["float", "fp", "sort"].iter().any(|word| name.contains(word));
            let reach = Reach::Cpu(if float { 0.15 } else { 0.8 });
            let mark = format!("{PART}{name} ");
            rows.push(row(format!("busybox {arch}: {name}"), reach, Some(&before), &mark));
            before = mark;
        }
        rows.push(row(format!("busybox {arch}: total"), Reach::Cpu(self.reach), Some(INIT), DONE));
        memory(rows)
    }
}

/// What passed between two lines.
fn span(run: Option<&Run>, from: Option<&str>, to: &str) -> Option<Moment> {
    let run = run?;
    let start = match from {
        Some(from) => run.at(from)?,
        None => Moment::default(),
    };
    let end = run.at(to)?;
    Some(Moment { wall: end.wall - start.wall, cpu: end.cpu - start.cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lines: &[(&str, f64)]) -> Run {
        let lines = lines.iter().map(|(line, at)| ((*line).to_owned(), Moment { wall: 2.0 * at, cpu: *at })).collect();
        Run { lines, own_memory: 30.0 }
    }

    #[test]
    fn parts_are_what_lies_between_the_lines() {
        let work = all(Path::new("g")).into_iter().find(|work| work.name == "busybox-686").unwrap();
        let ours = run(&[
            (INIT, 1.0),
            ("BENCH md5 1.00 s", 2.0),
            ("BENCH awk_float 1 s", 5.0),
            ("BENCH total 3 s", 5.0),
            (DONE, 5.1),
        ]);
        let theirs = run(&[(INIT, 3.0), ("BENCH md5 1.00 s", 5.0), ("BENCH awk_float 1 s", 35.0), (DONE, 35.1)]);
        let rows = work.rows(&ours, Some(&theirs));
        let ratios: Vec<_> =
            rows.iter().map(|row| (row.work.as_str(), (row.ratio().unwrap() * 100.0).round())).collect();
        assert_eq!(
            ratios,
            [("busybox 686: md5", 50.0), ("busybox 686: awk_float", 10.0), ("busybox 686: total", 13.0)]
        );
        assert_eq!((rows[1].reached(), rows[2].memory), (Some(true), Some(30.0)));
        assert_eq!(work.rows(&ours, None)[0].ratio(), None);
    }

    #[test]
    fn both_get_the_same_guest() {
        let works = all(Path::new("g"));
        let ours = works[0].ours(Path::new("lb"), "interp", "none", "--cpu max").join(" ");
        assert!(ours.contains("--engine interp --cpu max --kernel g/img/vmlinuz-cloud-amd64"), "{ours}");
        let qemu = works[6].qemu("qemu").join(" ");
        assert!(qemu.ends_with("-drive file=g/img/deb12-amd64.img,format=raw,snapshot=on"), "{qemu}");
    }
}
