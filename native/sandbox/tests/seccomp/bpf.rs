//! A small interpreter of the classic BPF that filters are made of, so that a compiled filter can be asked what it would do.

use super::errno;

/// The fields of `struct seccomp_data`.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub number: u32,
    pub architecture: u32,
    pub arguments: [u64; 6],
}

pub const X86_64: u32 = 0xc000_003e;
pub const I386: u32 = 0x4000_0003;

/// What a filter answers, spelled for tables.
pub fn action_name(value: u32) -> String {
    match (value & 0xffff_0000, value & 0xffff) {
        (0x8000_0000, _) => "kill-process".to_owned(),
        (0x7fff_0000, _) => "allow".to_owned(),
        (0x0005_0000, errno) => errno::name(errno as i32),
        _ => format!("{value:#x}"),
    }
}

impl Call {
    pub fn new(number: libc::c_long, arguments: &[u64]) -> Call {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        Call { number: number as u32, architecture: X86_64, arguments: all }
    }

    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.architecture,
            16..=60 => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
            }
            _ => panic!("load of offset {offset}"),
        }
    }
}

struct Instruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    k: u32,
}

/// Runs a program. Gives its answer and the number of instructions that led to it.
pub fn run(program: &[u8], call: &Call) -> (u32, usize) {
    let (mut at, mut accumulator) = (0, 0);
    for steps in 1.. {
        let Instruction { code, jump_true, jump_false, k } = decode(program, at);
        at += 1;
        let mut branch = |taken: bool| at += usize::from(if taken { jump_true } else { jump_false });
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => branch(accumulator == k),
            0x35 => branch(accumulator >= k),
            0x06 => return (k, steps),
            other => panic!("instruction {other:#x} at {}", at - 1),
        }
    }
    unreachable!("a program without a return")
}

fn decode(program: &[u8], at: usize) -> Instruction {
    let bytes = &program[at * 8..at * 8 + 8];
    Instruction {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jump_true: bytes[2],
        jump_false: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    }
}
