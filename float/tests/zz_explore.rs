mod support;
mod x87_native;
use lyrebird_float::*;
use x87_native::*;
fn key(v: F80) -> i128 { i128::from(v.exponent_field()) << 63 | i128::from(v.significand & !(1 << 63)) }
#[test]
fn explore() {
    let b = F80::new(0x3fff, 1<<63);
    for sig in [0x8000_0000_0000_0000u64, 0xb000_0000_0000_1235, 0xffff_ffff_ffff_ffff] {
        for (name, f, ours) in [
            ("sin", fsin as Native, (|a,_,e| a.sin(e).unwrap()) as fn(F80,F80,&mut Env)->F80),
            ("cos", fcos as Native, |a,_,e| a.cos(e).unwrap()),
            ("f2xm1", f2xm1, |a,_,e| a.exp2_minus_1(e)),
            ("atan1", fpatan, |x,y,e| x.atan2(y,e)), // swapped below
            ("yl2xp1", fyl2xp1, |x,y,e| x.log2_plus_1_times(y,e)),
            ("tan", fptan, |x,_,e| x.tan(e).unwrap().0),
        ] {
            for e in [32,33,41,42,43,44,45,46,47,48,67,68,69,70] {
                let a = if e < 16383 { F80::new(0x3fff - e, sig) } else { F80::new(0, sig >> 1) };
                let mut line = format!(": {name} sig {sig:x} e-{e}:");
                for rc in 0..4u16 {
                    let cw = 0x33f | rc << 10;
                    let t = if name == "atan1" { f(cw, b, a, [0;16]) } else { f(cw, a, b, [0; 16]) };
                    let st = if name == "tan" { t.st[1] } else { t.st[0] };
                    let mut env = Env::x87(cw);
                    let o = ours(a, b, &mut env);
                    let base = if name == "cos" { F80::ONE } else { a };
                    line += &format!(" [{} {} fl {:x} {:x} c1 {} {}]", key(st) - key(base), key(o) - key(base), t.flags().0, env.flags.0, t.c1() as u8, env.rounded_up as u8);
                }
                println!("{line}");
            }
        }
    }
}
