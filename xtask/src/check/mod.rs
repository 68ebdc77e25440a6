//! `cargo xtask check-imports`: the rules of the house that a compiler does not know. Who imports whom (from `cargo metadata`),
//! and what must not stand in which sources.

mod imports;
mod sources;
mod strip;

use crate::command;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The part of `cargo metadata` that is needed.
#[derive(Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    /// Where cargo builds.
    pub target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Absent for ordinary dependencies.
    kind: Option<String>,
    /// Present for those in this repository.
    path: Option<PathBuf>,
}

impl Metadata {
    /// Where the repository is.
    pub fn workspace_root(&self) -> &Path {
        &self.workspace_root
    }
}

/// What cargo says about this workspace.
pub fn metadata() -> Result<Metadata> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = command::output(Command::new(cargo).args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata gave something unexpected")
}

/// Runs all checks.
pub fn main() -> Result<()> {
    let metadata = metadata()?;
    let mut problems = imports::check(&metadata.packages);
    for package in &metadata.packages {
        problems.extend(sources::check(&package.name, &package.manifest_path, &metadata.workspace_root)?);
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("{count} violations of the house rules (docs/design.md, section 3)"),
    }
}
