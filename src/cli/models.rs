//! CPU models by name: lists, and errors that name the nearest.

use super::nearest::nearest;
use super::spec::CpuSpec;
use anyhow::{Result, bail};
use frontend_x86::model::{Feature, Model};

/// What the names stand for. A model that is not here is listed by its name alone.
const ABOUT: [(&str, &str); 10] = [
    ("486", "Intel 486DX with CPUID"),
    ("pentium", "Intel Pentium"),
    ("pentium3", "Intel Pentium III, with SSE"),
    ("x86-64-v1", "the first 64-bit processors, with SSE2"),
    ("x86-64-v2", "with SSE4.2, POPCNT and CMPXCHG16B"),
    ("x86-64-v3", "with AVX2, BMI2 and FMA"),
    ("max", "everything that this program knows"),
    ("qemu32", "QEMU's 32-bit default"),
    ("qemu64", "QEMU's 64-bit default"),
    ("host", "the host's own, with KVM"),
];

/// Names that QEMU's users expect beside ours.
const ALIASES: [&str; 2] = ["qemu32", "qemu64"];

/// What QEMU takes in the same list though it is no feature of a CPU.
const NOT_FEATURES: [&str; 8] =
    ["check", "enforce", "migratable", "kvm", "pmu", "l3-cache", "host-cache-info", "host-phys-bits"];

fn names() -> Vec<&'static str> {
    let mut names = Model::names();
    names
        .extend(ALIASES.into_iter().filter(|alias| !Model::names().contains(alias) && Model::by_name(alias).is_some()));
    names
}

/// The models, a line each, and the features.
pub fn list() -> String {
    let mut text = String::from("CPU models:\n");
    for name in names() {
        let about = ABOUT.iter().find(|(known, _)| *known == name).map_or("", |(_, about)| about);
        text += &format!("  {name:<12}{about}\n");
    }
    text += "\nFeatures to add (+NAME) or take away (-NAME):\n";
    let mut line = String::new();
    for feature in Feature::ALL.iter().filter(|feature| Model::implemented(**feature)) {
        if line.len() + feature.text().len() > 96 {
            text += &format!(" {line}\n");
            line.clear();
        }
        line += &format!(" {}", feature.text());
    }
    text + &format!(" {line}\n")
}

/// The model that is asked for; `notes` gets what is not quite as asked.
pub fn find(cpu: &CpuSpec, notes: &mut Vec<String>) -> Result<Model> {
    if cpu.model == "host" {
        bail!("the CPU model `host` needs KVM, which is not there yet: use max, which has all features");
    }
    if Model::by_name(&cpu.model).is_none() {
        let names = names();
        let nearest = nearest(&cpu.model, names.iter().copied()).unwrap_or_default();
        bail!("unknown CPU model `{}`; did you mean `{nearest}`? Known are {}", cpu.model, names.join(", "));
    }
    let mut wanted = CpuSpec::model(&cpu.model);
    for (name, on) in &cpu.features {
        if NOT_FEATURES.contains(&name.as_str()) {
            continue;
        }
        let Some(feature) = Feature::by_text(name) else {
            let nearest = nearest(name, Feature::ALL.iter().map(|feature| feature.text())).unwrap_or_default();
            bail!("unknown CPU feature `{name}`; the nearest known is `{nearest}` (`--cpu help` lists all)");
        };
        if *on && !Model::implemented(feature) {
            notes.push(format!("the CPU feature {name} is not there yet and stays off"));
        }
        wanted.features.push((name.clone(), *on));
    }
    match Model::by_name(&wanted.to_string()) {
        Some(model) => Ok(model),
        None => bail!("the CPU model `{wanted}` cannot be made"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        find(&text.parse().unwrap(), &mut Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn all_listed_models_can_be_made() {
        assert!(names().len() >= 8);
        for name in names() {
            find(&CpuSpec::model(name), &mut Vec::new()).unwrap();
            assert!(list().contains(name));
        }
    }

    #[test]
    fn errors_name_the_nearest() {
        assert!(error("pentum3").contains("did you mean `pentium3`"), "{}", error("pentum3"));
        assert!(error("qemu46").contains("did you mean `qemu64`"));
        assert!(error("max,+popcmt").contains("nearest known is `popcnt`"));
        assert!(error("host").contains("use max"));
    }

    #[test]
    fn features() {
        let mut notes = Vec::new();
        let model = find(&"x86-64-v2,-popcnt,+avx,check".parse().unwrap(), &mut notes).unwrap();
        assert!(!model.has(Feature::by_text("popcnt").unwrap()));
        assert!(model.has(Feature::by_text("avx").unwrap()) && notes.is_empty(), "{notes:?}");
    }
}
