//! Chance that can be had again: the same seed throws the same numbers.

use std::hint;
use std::time::{Duration, Instant};

/// SplitMix64: a few lines, and even enough for choosing moments.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that begin here.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Other dice, that throw numbers of their own.
    pub fn another(&mut self) -> Self {
        Self(self.throw())
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`, which is not zero.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.throw() % sides
    }

    /// A place in something of this length; zero where it is empty.
    ///
    /// # Panics
    /// Never: lengths of memory fit.
    pub fn place(&mut self, length: usize) -> usize {
        let sides = u64::try_from(length.max(1)).unwrap();
        usize::try_from(self.below(sides)).unwrap()
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.throw().to_le_bytes()[0]
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// Lets a moment pass, shorter than `longest`. A system call would come back at moments of the
    /// kernel's choosing.
    ///
    /// # Panics
    /// When it would be centuries.
    pub fn linger(&mut self, longest: Duration) {
        let span = self.below(u64::try_from(longest.as_nanos()).unwrap());
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_nanos(span) {
            hint::spin_loop();
        }
    }
}
