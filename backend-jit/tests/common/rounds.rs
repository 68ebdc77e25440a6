//! Programs of random instructions.

use super::common::Random;

/// So many instructions, some of which are jumped over, three times: the second of them compiled; then a jump to itself. The rounds are counted
/// in four bytes in front of where EBP points.
pub fn program(r: &mut Random, instructions: u64, instruction: fn(&mut Random, &mut Vec<u8>)) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..instructions {
        let mut one = Vec::new();
        instruction(r, &mut one);
        if r.one_in(6) {
            code.extend([0x70 | r.below(16) as u8, one.len() as u8]);
        }
        code.extend(one);
    }
    // dec dword [ebp - 4]; jnz to the beginning; jmp to itself
    code.extend([0xff, 0x4d, 0xfc, 0x0f, 0x85]);
    let back = -(code.len() as i32 + 4);
    code.extend(back.to_le_bytes());
    code.extend([0xeb, 0xfe]);
    code
}
