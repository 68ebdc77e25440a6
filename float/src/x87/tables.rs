//! Numbers the transcendental functions are built on, to 128 bits.
//!
//! The series coefficients are computed here; the logarithms, powers and
//! arctangents that cannot be are written out and checked in the tests
//! below against relations they must satisfy.

use crate::exact::Wide;

/// One, with 127 fraction bits.
pub(super) const ONE: u128 = 1 << 127;

/// Reciprocals of factorials with 127 fraction bits, of `first!`,
/// `(first + step)!` and so on.
const fn factorials<const N: usize>(first: u128, step: u128) -> [u128; N] {
    let mut terms = [0; N];
    let mut value = ONE;
    let mut factor = 1;
    let mut k = 0;
    while k < N {
        // Dividing step by step and cutting off each time gives the same as
        // cutting off once.
        while factor < first + step * k as u128 {
            factor += 1;
            value /= factor;
        }
        terms[k] = value;
        k += 1;
    }
    terms
}

/// Reciprocals of the odd numbers with 127 fraction bits.
const fn odd_reciprocals<const N: usize>() -> [u128; N] {
    let mut terms = [0; N];
    let mut k = 0;
    while k < N {
        terms[k] = ONE / (2 * k as u128 + 1);
        k += 1;
    }
    terms
}

/// `sin x / x` in powers of `x^2`, signs alternating; good to 2^-128 below pi/4.
pub(super) const SIN: [u128; 17] = factorials(1, 2);
/// `cos x` in powers of `x^2`, signs alternating; good to 2^-128 below pi/4.
pub(super) const COS: [u128; 18] = factorials(0, 2);
/// `(e^x - 1) / x` in powers of `x`; good to 2^-128 below ln 2 / 64.
pub(super) const EXP: [u128; 15] = factorials(1, 1);
/// `atanh x / x` (and, alternating, `atan x / x`) in powers of `x^2`.
pub(super) const ODD: [u128; 26] = odd_reciprocals();
/// How many terms of [`ODD`] an arctangent up to 1/32 needs.
pub(super) const ATAN_TERMS: usize = 13;

/// ln 2.
pub(super) const LN_2: Wide =
    Wide { negative: false, exponent: -1, significand: 0xb17217f7_d1cf79ab_c9e3b398_03f2f6af };
/// 2 / ln 2.
pub(super) const TWO_LOG2_E: Wide =
    Wide { negative: false, exponent: 1, significand: 0xb8aa3b29_5c17f0bb_be87fed0_691d3e89 };
/// Pi.
pub(super) const PI: Wide = Wide { negative: false, exponent: 1, significand: 0xc90fdaa2_2168c234_c4c6628b_80dc1cd1 };
/// Pi / 2.
pub(super) const HALF_PI: Wide =
    Wide { negative: false, exponent: 0, significand: 0xc90fdaa2_2168c234_c4c6628b_80dc1cd1 };
/// The square root of 2 with 127 fraction bits.
pub(super) const SQRT_2: u128 = 0xb504f333_f9de6484_597d89b3_754abe9f;

/// `2^(i/32)` with 127 fraction bits.
pub(super) const POWERS: [u128; 32] = [
    0x80000000_00000000_00000000_00000000,
    0x82cd8698_ac2ba1d7_3e2a475b_46520bff,
    0x85aac367_cc487b14_c5c95b8c_2154c1b2,
    0x88980e80_92da8527_5df8d76c_98c67563,
    0x8b95c1e3_ea8bd6e6_fbe46287_58a53c90,
    0x8ea4398b_45cd53c0_2dc0144c_8783d4c6,
    0x91c3d373_ab11c336_0fd6d8e0_ae5ac9d8,
    0x94f4efa8_fef70961_2e8afad1_2551de54,
    0x9837f051_8db8a96f_46ad2318_2e42f6f6,
    0x9b8d39b9_d54e5538_a2a817a2_a3cc3f1f,
    0x9ef53260_91a111ad_a0911f09_ebb9fdd1,
    0xa2704303_0c496818_9b7a04ef_80cfdea8,
    0xa5fed6a9_b15138ea_1cbd7f62_1710701b,
    0xa9a15ab4_ea7c0ef8_541e24ec_3531fa73,
    0xad583eea_42a14ac6_4980a8c8_f59a2ec4,
    0xb123f581_d2ac258f_87d037e9_6d215d8e,
    0xb504f333_f9de6484_597d89b3_754abe9f,
    0xb8fbaf47_62fb9ee9_1b879778_566b65a2,
    0xbd08a39f_580c36be_a8811fb6_6d0faf7a,
    0xc12c4cca_66709456_7c457d59_a50087b5,
    0xc5672a11_5506dadd_3e2ad0c9_64dd9f37,
    0xc9b9bd86_6e2f27a2_80e1f92a_0511697e,
    0xce248c15_1f8480e3_e235838f_95f2c6ed,
    0xd2a81d91_f12ae45a_12248e57_c3de4028,
    0xd744fcca_d69d6af4_39a68bb9_902d3fde,
    0xdbfbb797_daf23755_3d840d5a_9e29aa64,
    0xe0ccdeec_2a94e111_06589504_8dd333ca,
    0xe5b906e7_7c8348a8_1e5e8f4a_4edbb0ed,
    0xeac0c6e7_dd24392e_d02d75b3_706e54fb,
    0xefe4b99b_dcdaf5cb_46561cf6_948db913,
    0xf5257d15_2486cc2c_7b9d0c7a_ed980fc3,
    0xfa83b2db_722a033a_7c25bb14_315d7fcd,
];

/// `atan(i/16)` with 127 fraction bits.
pub(super) const ARCTANGENTS: [u128; 17] = [
    0x00000000_00000000_00000000_00000000,
    0x07fd56ed_cb3f7a71_b6593c96_e071706b,
    0x0feadd4d_5617b6e3_2c897989_f3e888ef,
    0x17b97b4b_ce5b0226_8f6169f1_03938e91,
    0x1f5b75f9_2c80dd62_adb8f3de_bef442fd,
    0x26c4ee6e_0fd7979a_716aed26_349ebcca,
    0x2dec3283_c9bde11c_e2a8c848_b73f9121,
    0x34c9dd87_9847f96d_909f257a_40079c4e,
    0x3b58ce0a_c3769ed1_5bf9117b_2f0ea341,
    0x4195fa53_6cc33f15_25b504e5_b0d28ae0,
    0x47802eaf_7bfacfcd_ae41af0b_32e21ba4,
    0x4d17c073_38deed10_21137c71_1027f9de,
    0x525e3e8c_9a7b8492_0cd43f95_22bed64f,
    0x5756261c_5a6c6040_0a392f17_9f290385,
    0x5c029f15_e118cf39_e596d2a9_0852221f,
    0x606742dc_56293320_44eeb162_37497d12,
    0x6487ed51_10b4611a_62633145_c06e0e69,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x87::series::{high_product, horner, horner_alternating};

    fn close(a: u128, b: u128) -> bool {
        a.abs_diff(b) < 64
    }

    #[test]
    fn powers_multiply() {
        for i in 1..31 {
            let product = high_product(POWERS[i], POWERS[1]) << 1;
            assert!(close(product, POWERS[i + 1]), "{i}");
        }
        // The 32nd power of the first closes the circle at 2.
        assert!(close(high_product(POWERS[31], POWERS[1]), ONE));
        assert!(close(POWERS[16], SQRT_2));
    }

    #[test]
    fn logarithm_of_two() {
        // ln 2 = 2 atanh(1/3), by the sum of 3^-(2k+1) / (2k+1).
        let mut power = u128::MAX / 3;
        let mut sum = 0;
        for k in 0..40 {
            sum += power / (2 * k + 1);
            power /= 9;
        }
        assert!(close(sum >> 1, LN_2.significand >> 2));
        // (2 / ln 2) * ln 2 = 2
        assert!(close(high_product(LN_2.significand, TWO_LOG2_E.significand), ONE));
    }

    #[test]
    fn arctangents() {
        // Machin: pi/4 = 4 atan(1/5) - atan(1/239).
        let fifth = u128::MAX / 5;
        let machin = horner_alternating(&ODD, high_product(fifth, fifth));
        let other = u128::MAX / 239;
        let small = horner_alternating(&ODD, high_product(other, other));
        let quarter = 4 * (machin / 5) - small / 239;
        assert!(close(quarter, ARCTANGENTS[16]));
        assert!(close(quarter, PI.significand >> 1));
        assert_eq!(PI.significand, HALF_PI.significand);
        // tan(a - b) = 1/16 * 1 / (1 + i(i+1)/256) for neighbours.
        for i in 0..16u128 {
            let t = u128::MAX / (256 + i * (i + 1)) * 16;
            let atan = high_product(horner_alternating(&ODD, high_product(t, t)), t);
            let step = ARCTANGENTS[i as usize + 1] - ARCTANGENTS[i as usize];
            assert!(step.abs_diff(atan) < 4096, "{i}");
        }
    }

    #[test]
    fn exponential_series() {
        // e^(ln 2 / 32) = 2^(1/32): the exponent with 128 fraction bits.
        let x = LN_2.significand >> 5;
        let growth = high_product(horner(&EXP, x), x);
        assert!(close(ONE + growth, POWERS[1]));
    }
}
