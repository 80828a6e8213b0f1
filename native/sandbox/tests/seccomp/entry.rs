//! The three ways by which a 64-bit program gets into the kernel, without libc between.

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    X86_64,
    /// `syscall` with the bit by which x32 numbers are told.
    X32,
    /// The 32-bit gate, with the 32-bit numbers.
    Int80,
}

impl Gate {
    pub const ALL: [Gate; 3] = [Gate::X86_64, Gate::X32, Gate::Int80];

    pub fn name(self) -> &'static str {
        match self {
            Gate::X86_64 => "x86_64",
            Gate::X32 => "x32",
            Gate::Int80 => "int80",
        }
    }

    /// The number of `getpid` there.
    pub fn getpid(self) -> u32 {
        match self {
            Gate::X86_64 | Gate::X32 => libc::SYS_getpid as u32,
            Gate::Int80 => 20,
        }
    }

    /// Makes a call. Nothing between this and the kernel uses the stack, so two processes may come back from `vfork`.
    #[inline(always)]
    pub fn enter(self, number: u32, arguments: &[u64; 6]) -> i64 {
        match self {
            Gate::X86_64 => enter_64(number, arguments),
            Gate::X32 => enter_64(number | 0x4000_0000, arguments),
            Gate::Int80 => enter_32(number, arguments),
        }
    }
}

#[inline(always)]
fn enter_64(number: u32, &[a, b, c, d, e, f]: &[u64; 6]) -> i64 {
    let answer: i64;
    // SAFETY: callers pass numbers that a process of its own may be lost to.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") i64::from(number) => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    answer
}

/// The sixth argument would be the frame pointer: it stays what it is.
#[inline(always)]
fn enter_32(number: u32, &[a, b, c, d, e, _]: &[u64; 6]) -> i64 {
    let answer: u64;
    // SAFETY: as above; `rbx`, which the compiler keeps for itself, is put back.
    unsafe {
        std::arch::asm!(
            "mov r12, rbx", "mov rbx, r8", "int 0x80", "mov rbx, r12",
            inlateout("rax") u64::from(number) => answer,
            in("rcx") b, in("rdx") c, in("rsi") d, in("rdi") e, inlateout("r8") a => _,
            out("r12") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    i64::from(answer as u32 as i32)
}
