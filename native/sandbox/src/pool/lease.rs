//! A sandbox in the hands of one job.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Pool;
use super::shelf::Ready;
use crate::backend::Sandbox;

/// One job's sandbox. However the job ends, dropping this removes it.
pub struct Lease {
    pool: Arc<Pool>,
    ready: Option<Ready>,
    /// How far it was ready before: `prepared` or `none`.
    pub warm: &'static str,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, ready: Ready, warm: &'static str) -> Lease {
        Lease { pool, ready: Some(ready), warm }
    }
}

impl Deref for Lease {
    type Target = dyn Sandbox;

    fn deref(&self) -> &Self::Target {
        self.ready.as_ref().expect("there until dropped").sandbox.as_ref()
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.ready.as_mut().expect("there until dropped").sandbox.as_mut()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(ready) = self.ready.take() {
            self.pool.remove(ready);
        }
    }
}
