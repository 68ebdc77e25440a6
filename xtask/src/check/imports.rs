//! Who may import whom: the table of the design. Other people's crates are free to everybody.

use super::Package;

const CORE: &str = "lyrebird-core";
const MEMORY: &str = "lyrebird-memory";
const FLOAT: &str = "lyrebird-float";
const FRONTEND: &str = "frontend-x86";

/// Each of our crates, and which others it may use.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    (MEMORY, &[]),
    (CORE, &[MEMORY]),
    (FLOAT, &[]),
    (FRONTEND, &[CORE, MEMORY, FLOAT]),
    ("backend-interp", &[FRONTEND, CORE, MEMORY, FLOAT]),
    ("backend-jit", &["backend-interp", FRONTEND, CORE, MEMORY, FLOAT]),
    ("backend-kvm", &[CORE, MEMORY]),
    ("devices", &[CORE, MEMORY]),
    ("host", &[CORE]),
    ("gdb", &[CORE]),
    ("roms", &[CORE, MEMORY]),
    ("tour", &[]),
    ("xtask", &[]),
    ("x86-tests", &["backend-interp", "backend-jit", "backend-kvm", FRONTEND, CORE, MEMORY, FLOAT]),
];

/// The composition root, which may import everything, and which nobody imports.
const ROOT: &str = "lyrebird";

/// The violations, as lines to print. Dependencies of tests are held to the same table.
pub fn check(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages.iter().filter(|package| package.name != ROOT) {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == package.name) else {
            problems.push(format!("{}: is not in the table of who may import whom", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            if !allowed.contains(&dependency.name.as_str()) {
                let kind = dependency.kind.as_deref().map_or(String::new(), |kind| format!(" (for {kind})"));
                problems.push(format!("{} must not import {}{kind}", package.name, dependency.name));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::Dependency;
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependency = |name: &&str| Dependency { name: name.to_string(), kind: None, path: Some("x".into()) };
        Package {
            name: name.into(),
            manifest_path: "x".into(),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    #[test]
    fn the_table_is_enforced() {
        assert!(check(&[package("devices", &[CORE, MEMORY]), package(ROOT, &["devices", "host"])]).is_empty());
        assert_eq!(check(&[package("devices", &["backend-interp"])]), ["devices must not import backend-interp"]);
        assert_eq!(check(&[package("gdb", &[ROOT])]).len(), 1);
        assert_eq!(check(&[package("new", &[])]).len(), 1);
    }
}
