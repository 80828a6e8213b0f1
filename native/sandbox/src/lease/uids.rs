//! Blocks of user ids. They are of one size and begin at its multiples, whatever range a worker is configured with: so two
//! workers never share a uid, even with ranges that overlap.

use std::fs::File;
use std::path::Path;

use super::Range;
use super::janitor::Unclean;
use super::locks::{Directory, LeaseError, Opened};

const BLOCK: u32 = 16;

/// Consecutive blocks, locked.
pub(super) struct Block {
    pub range: Range,
    pub locks: Vec<File>,
}

/// Locks the first run of free blocks in `range` that has `wanted` uids and none of an unclean instance's.
pub(super) fn lock(run_dir: &Path, range: Range, wanted: u32, unclean: &[Unclean]) -> Result<Block, LeaseError> {
    let directory = Directory::open(run_dir, "uids")?;
    let needed = wanted.max(1).div_ceil(BLOCK);
    let end = range.first.saturating_add(range.count) / BLOCK;
    let mut locks = Vec::new();
    for number in range.first.div_ceil(BLOCK)..end {
        let free = !unclean.iter().any(|one| overlaps(one, number));
        match directory.try_lock(&number.to_string())? {
            Opened::Locked(file) if free => locks.push(file),
            _ => locks.clear(),
        }
        if locks.len() as u32 == needed {
            let first = (number + 1 - needed) * BLOCK;
            return Ok(Block { range: Range { first, count: needed * BLOCK }, locks });
        }
    }
    Err(LeaseError::NoUids { wanted, first: range.first, count: range.count })
}

fn overlaps(unclean: &Unclean, number: u32) -> bool {
    let first = number * BLOCK;
    unclean.uids.is_some_and(|used| first < used.first + used.count && used.first < first + BLOCK)
}
