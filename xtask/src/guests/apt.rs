//! Gets Debian packages and unpacks them, through an apt state of its own: nothing is installed, root is not needed, and the
//! system's package database is neither read nor changed.

use crate::command;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose packages are used, so that everybody runs the same kernels.
const SUITE: &str = "bookworm";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Packages under one folder: `apt` (state), `deb` (downloaded), `x` (unpacked).
pub struct Apt {
    dir: PathBuf,
    refresh: bool,
    updated: bool,
}

impl Apt {
    /// In this folder, which is made. `mirror` replaces the system's own; `refresh` looks for newer packages.
    pub fn new(dir: &Path, mirror: Option<&str>, refresh: bool) -> Result<Self> {
        for name in ["apt/lists/partial", "apt/cache/archives/partial", "deb", "x"] {
            let path = dir.join(name);
            fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        }
        let dir = dir.canonicalize()?;
        let apt = Apt { dir, refresh, updated: false };
        if mirror.is_some() || !apt.config().exists() {
            apt.write_config(mirror)?;
        }
        Ok(apt)
    }

    fn config(&self) -> PathBuf {
        self.dir.join("apt/apt.conf")
    }

    fn write_config(&self, mirror: Option<&str>) -> Result<()> {
        if !Path::new(KEYRING).exists() {
            bail!("{KEYRING} is missing: apt-get install debian-archive-keyring");
        }
        let mirror = match mirror {
            Some(mirror) => mirror.to_owned(),
            None => {
                system_mirror().context("the system's apt sources name no Debian mirror: give one with --mirror")?
            }
        };
        let state = self.dir.join("apt");
        fs::write(state.join("status"), "")?;
        fs::write(state.join("sources.list"), format!("deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"))?;
        // How the system downloads (proxies and the like) holds here too; nothing else of its settings does.
        let system = command::output(Command::new("apt-config").arg("dump"))?;
        let mut config: String = system
            .lines()
            .filter(|line| line.starts_with("Acquire::") && !line.starts_with("Acquire::IndexTargets"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let state = state.display();
        config += &format!(
            "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::sourcelist \"{state}/sources.list\";\nDir::State \"{state}\";\nDir::State::status \"{state}/status\";\n\
             Dir::Cache \"{state}/cache\";\nAPT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; \"i386\"; }};\n\
             APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n"
        );
        fs::write(self.config(), config)?;
        Ok(())
    }

    /// One of apt's programs with our state.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.config()).env("LC_ALL", "C").current_dir(self.dir.join("deb"));
        command
    }

    /// Reads the package lists, once, and only when something has to be downloaded.
    fn update(&mut self) -> Result<()> {
        let done = self.dir.join("apt/updated");
        if !self.updated && (self.refresh || !done.exists()) {
            eprintln!("reading Debian's package lists");
            let mut tries = 0;
            while let Err(error) = command::run(self.apt("apt-get").args(["-qq", "update"])) {
                tries += 1; // a mirror that is just being updated
                if tries == 3 {
                    return Err(error);
                }
                std::thread::sleep(std::time::Duration::from_secs(2 * tries));
            }
            fs::write(done, "")?;
        }
        self.updated = true;
        Ok(())
    }

    /// The package that a meta-package such as `linux-image-686:i386` stands for: its first dependency that begins with
    /// `prefix`.
    pub fn meaning(&mut self, meta: &str, prefix: &str) -> Result<String> {
        self.update()?;
        let text = command::output(self.apt("apt-cache").args(["depends", meta]))?;
        let found =
            text.lines().find_map(|line| line.trim().strip_prefix("Depends: ").filter(|name| name.starts_with(prefix)));
        let found = found.with_context(|| format!("{meta} depends on nothing like {prefix}"))?;
        Ok(match meta.rsplit_once(':') {
            Some((_, arch)) if !found.contains(':') => format!("{found}:{arch}"),
            _ => found.to_owned(),
        })
    }

    /// The sources that packages come from, as apt reads them.
    pub fn sources(&self) -> PathBuf {
        self.dir.join("apt/sources.list")
    }

    /// Where a package was unpacked, under this name of ours, if it was.
    pub fn unpacked(&self, name: &str) -> Option<PathBuf> {
        let dir = self.dir.join("x").join(name);
        (!self.refresh && dir.join(".from").exists()).then_some(dir)
    }

    /// Downloads and unpacks a package, or those of its files that are under `only`. Gives the folder.
    pub fn get(&mut self, package: &str, name: &str, only: &[&str]) -> Result<PathBuf> {
        if let Some(dir) = self.unpacked(name) {
            return Ok(dir);
        }
        self.update()?;
        // From another folder: apt says nothing of what lies here already.
        let mut ask = self.apt("apt-get");
        let uris = ask.args(["-qq", "--print-uris", "download", package]).current_dir(self.dir.join("apt"));
        let uris = command::output(uris)?;
        let file = uris.split_whitespace().nth(1).with_context(|| format!("apt does not say where {package} is"))?;
        let dir = self.dir.join("x").join(name);
        let from = dir.join(".from");
        if fs::read_to_string(&from).is_ok_and(|have| have.trim() == file) {
            return Ok(dir);
        }
        eprintln!("fetching {file}");
        command::run(self.apt("apt-get").args(["-qq", "download", package]))?;
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let deb = self.dir.join("deb").join(file);
        command::pipe(
            Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&deb),
            Command::new("tar").arg("-x").arg("-C").arg(&dir).args(only),
        )?;
        fs::write(from, file)?;
        Ok(dir)
    }
}

/// The first Debian mirror of the system's own sources.
fn system_mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    files.sort();
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| mirror_in(&text))
}

/// The first URI that ends in "debian", in a file of either format (`deb URI suite` lines, or `URIs:` fields).
fn mirror_in(text: &str) -> Option<String> {
    text.lines()
        .filter(|line| line.starts_with("deb ") || line.starts_with("deb\t") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("debian"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_found_in_both_formats() {
        let old = "# deb http://no/debian x\ndeb [arch=amd64] http://deb.example.org/debian bookworm main\n";
        assert_eq!(mirror_in(old).as_deref(), Some("http://deb.example.org/debian"));
        let new =
            "Types: deb\nURIs: http://m/debian-security\n\nTypes: deb\nURIs: http://m/debian/\nSuites: bookworm\n";
        assert_eq!(mirror_in(new).as_deref(), Some("http://m/debian/"));
        assert_eq!(mirror_in("deb http://m/ubuntu jammy main"), None);
    }
}
