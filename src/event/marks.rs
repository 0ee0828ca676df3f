//! Where strings end: the quotes, backslashes and control bytes of a text.

use wide::u8x16;

/// Finds marks: quotes, backslashes and control bytes. The walk is the same over every form of
/// this; a form is only a faster way to find the next mark.
pub(super) trait Marks {
    /// The first mark at or after `at`; the text's length where there is none.
    fn next(&mut self, at: usize) -> usize;
}

/// Bytes whose marks are found at once.
const WINDOW: usize = 16 * 64;

/// The marks of a window as bits, found sixteen bytes at a time.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the window begins.
    window: usize,
    words: [u64; WINDOW / 64],
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut bits = Self { bytes, window: 0, words: [0; WINDOW / 64] };
        bits.load(0);
        bits
    }

    fn load(&mut self, window: usize) {
        self.window = window;
        let bytes = self.bytes.get(window..).unwrap_or_default();
        let (blocks, rest) = bytes.as_chunks::<64>();
        let mut words = self.words.iter_mut();
        // Blocks first: a pair that is not whole must not take a word.
        for (block, word) in blocks.iter().zip(words.by_ref()) {
            *word = marks_of(block);
        }
        if let Some(word) = words.next() {
            // A mark behind the end, so that the search ends.
            let mut last = [0; 64];
            if let Some(begin) = last.get_mut(..rest.len()) {
                begin.copy_from_slice(rest);
            }
            *word = marks_of(&last);
        }
    }
}

impl Marks for Bits<'_> {
    #[inline(always)]
    fn next(&mut self, mut at: usize) -> usize {
        loop {
            let Some(word) = self.words.get(at.wrapping_sub(self.window) / 64) else {
                if at >= self.bytes.len() {
                    return self.bytes.len();
                }
                self.load(at / 64 * 64);
                continue;
            };
            let ahead = word >> (at % 64);
            if ahead != 0 {
                return (at + ahead.trailing_zeros() as usize).min(self.bytes.len());
            }
            at = (at | 63) + 1;
        }
    }
}

/// A bit for each byte, the first one lowest: set for a mark.
#[inline]
fn marks_of(block: &[u8; 64]) -> u64 {
    let (quarters, _) = block.as_chunks::<16>();
    quarters.iter().enumerate().fold(0, |bits, (at, quarter)| {
        let bytes = u8x16::new(*quarter);
        let control = u8x16::splat(0x1f);
        let marks = bytes.simd_eq(u8x16::splat(b'"'))
            | bytes.simd_eq(u8x16::splat(b'\\'))
            | bytes.min(control).simd_eq(bytes);
        bits | u64::from(marks.to_bitmask()) << (16 * at)
    })
}

#[cfg(test)]
pub(super) struct Plain<'a>(pub(super) &'a [u8]);

/// The oracle of the other form.
#[cfg(test)]
impl Marks for Plain<'_> {
    fn next(&mut self, at: usize) -> usize {
        let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let ahead = self.0.get(at..).unwrap_or_default();
        ahead.iter().position(is_mark).map_or(self.0.len(), |found| at + found)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bits, Marks, Plain, WINDOW};

    /// The plain loop is the oracle, for every byte in every place.
    #[test]
    fn every_byte_in_every_place() {
        for length in [0, 1, 15, 16, 17, 63, 64, 65, 130] {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a' ^ (byte & 0x80); length];
                    bytes[place] = byte;
                    let found = Bits::new(&bytes).next(0);
                    assert_eq!(found, Plain(&bytes).next(0), "{byte} at {place} of {length}");
                }
            }
        }
    }

    /// From any place, in order or not, across windows.
    #[test]
    fn every_place_across_windows() {
        for length in [WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 77] {
            for step in [1, 7, 100, 5000, 20_000] {
                let mut bytes = vec![b'a'; length];
                bytes.iter_mut().skip(step / 2).step_by(step).for_each(|byte| *byte = b'"');
                let mut bits = Bits::new(&bytes);
                let forward = (0..length + 2).step_by(3);
                let back = (0..length).rev().step_by(1001);
                for at in forward.chain(back) {
                    let expected = Plain(&bytes).next(at).min(length);
                    assert_eq!(bits.next(at), expected, "from {at} of {length}, each {step}");
                }
            }
        }
    }
}
