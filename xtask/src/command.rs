//! Runs other programs, with errors that say which, and what they said.

use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Runs a program to its end. What it prints on its standard error comes with the error if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a program and gives what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let result = command.stdin(Stdio::null()).output();
    let result = result.with_context(|| format!("{program} cannot be started: is it installed?"))?;
    if !result.status.success() {
        bail!("{program} failed ({}): {}", result.status, String::from_utf8_lossy(&result.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

/// Runs two programs with the first one's output as the second one's input.
pub fn pipe(from: &mut Command, to: &mut Command) -> Result<()> {
    let name = |command: &Command| command.get_program().to_string_lossy().into_owned();
    let (from_name, to_name) = (name(from), name(to));
    let mut first = from.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| from_name.clone())?;
    let input = first.stdout.take().context("no pipe")?;
    let second = to.stdin(input).status().with_context(|| to_name.clone());
    let first = first.wait()?;
    let second = second?;
    if !second.success() {
        bail!("{to_name} failed ({second})");
    }
    if !first.success() {
        bail!("{from_name} failed ({first})");
    }
    Ok(())
}
