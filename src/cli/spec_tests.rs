//! Tests of [`super::spec`]: what may be written, and what is said when it is wrong.

use super::spec::*;
use super::{clock::Clock, screen::Display, script::Seconds, size::Size};

fn full() -> MachineSpec {
    MachineSpec {
        name: Some("all".into()),
        memory: Size(64 << 20),
        cpus: 4,
        cpu: "qemu64,+sse4.2,-popcnt".parse().unwrap(),
        engine: EngineChoice::Interp,
        translation_cache: Some("translations".into()),
        cpu_threads: Some(false),
        code_cache: Some(Size(32 << 20)),
        translation_cache_size: Some(Size(64 << 20)),
        kernel: Some("vmlinuz".into()),
        initrd: Some("initrd.gz".into()),
        append: Some("console=ttyS0".into()),
        bios: Some("bios.bin".into()),
        boot: "order=cdn".parse().unwrap(),
        drive: vec!["disk.img,snapshot".parse().unwrap()],
        serial: Some(vec!["stdio".parse().unwrap(), "file:log".parse().unwrap()]),
        parallel: "file:printed".parse().unwrap(),
        debugcon: Some("null".parse().unwrap()),
        debug_exit: Some(DebugExit { iobase: 0xf4, iosize: 4 }),
        vga: Adapter::None,
        vga_rom: Some("vgabios.bin".into()),
        tour: false,
        display: Display::Terminal,
        full_screen: true,
        screenshot: vec!["a.png@2.5".parse().unwrap()],
        screenshot_on_exit: Some("b.txt".into()),
        keys: vec!["5:ret,type=x".parse().unwrap()],
        exit_after: Some(Seconds(7.0)),
        test_device: true,
        no_reboot: true,
        no_hpet: true,
        no_shutdown: true,
        rtc: Some(Clock::At(0)),
        deterministic: true,
    }
}

#[test]
fn a_machine_reads_back_and_the_keys_are_all_there() {
    let text = toml::to_string(&full()).unwrap();
    assert_eq!(MachineSpec::from_toml(&text).unwrap(), full());
    let keys: Vec<String> = toml::from_str::<toml::Table>(&text).unwrap().keys().cloned().collect();
    let mut known = KEYS.map(String::from).to_vec();
    known.sort();
    let mut keys = keys;
    keys.sort();
    assert_eq!(keys, known);
}

#[test]
fn an_empty_file_is_the_default_machine() {
    assert_eq!(MachineSpec::from_toml("").unwrap(), MachineSpec::default());
    assert_eq!(MachineSpec::from_toml("memory = 64").unwrap().memory, Size(64 << 20));
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    for (text, parts) in [
        ("memroy = '1G'", &["unknown key `memroy`", "did you mean `memory`"][..]),
        ("cpus = 1\nengine = 'fast'", &["line 2", "unknown variant `fast`", "interp"]),
        ("memory = 'lots'", &["line 1", "`lots` is no amount of memory"]),
        ("serial = ['stdoi']", &["unknown character stream `stdoi`"]),
        ("debug-exit = 'x'", &["`x` is no I/O port"]),
        ("cpus = ", &["line 1"]),
    ] {
        let error = format!("{:#}", MachineSpec::from_toml(text).unwrap_err());
        for part in parts {
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = std::env::temp_dir().join(format!("lyrebird-spec-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("m.toml");
    std::fs::write(&file, "kernel = 'k'\nbios = '/abs'\ninitrd = 'a x,b'").unwrap();
    let spec = MachineSpec::from_file(&file).unwrap();
    assert_eq!(spec.kernel.unwrap(), folder.join("k"));
    assert_eq!(spec.bios.unwrap(), std::path::PathBuf::from("/abs"));
    let folder_text = folder.display();
    assert_eq!(spec.initrd.unwrap(), format!("{folder_text}/a x,{folder_text}/b"));
    std::fs::remove_dir_all(&folder).unwrap();
    let error = format!("{:#}", MachineSpec::from_file(&file).unwrap_err());
    assert!(error.contains("cannot read the machine file") && error.contains("No such file"), "{error}");
}

#[test]
fn cpu_features() {
    let cpu: CpuSpec = "qemu64,+avx,-sse3,x2apic=on,hypervisor=off,svm".parse().unwrap();
    assert_eq!(cpu.model, "qemu64");
    assert_eq!(cpu.to_string(), "qemu64,+avx,-sse3,+x2apic,-hypervisor,+svm");
    assert!("max,level=7".parse::<CpuSpec>().is_err());
    assert!("".parse::<CpuSpec>().is_err());
}

#[test]
fn debug_exit_ports() {
    assert_eq!("0xf4,0x04".parse(), Ok(DebugExit { iobase: 0xf4, iosize: 4 }));
    assert_eq!("1281".parse(), Ok(DebugExit { iobase: 0x501, iosize: 2 }));
    for text in ["", "0x10000", "f4", "0xf4,0", "0xffff,4"] {
        assert!(text.parse::<DebugExit>().is_err(), "{text}");
    }
}
