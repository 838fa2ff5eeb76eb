//! The end of stores that passed the cache.

/// Dropping it makes what this thread streamed come before whatever it stores next, as other threads see it.
pub(crate) struct Fence;

impl Drop for Fence {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[expect(unsafe_code, reason = "the fence is an instruction")]
    fn drop(&mut self) {
        // SAFETY: every CPU of the architecture has it, and it touches no memory.
        unsafe { std::arch::x86_64::_mm_sfence() };
    }

    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    fn drop(&mut self) {}
}
