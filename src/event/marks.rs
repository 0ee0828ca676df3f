//! Where strings end: the quotes, backslashes and control bytes of a text.

use wide::i8x16;

/// Finds marks: quotes, backslashes and control bytes. The walk is the same over every form of
/// this; a form is only a faster way to find the next mark.
pub(super) trait Marks {
    /// The first mark at or after `at`; the text's length where there is none. Called with one
    /// text, and with places in it that are never before a mark that was found.
    fn next(&mut self, text: &[u8], at: usize) -> usize;
}

/// Bytes whose marks are found at once.
const BLOCK: usize = 64;

/// The marks of one block as bits.
#[derive(Default)]
pub(super) struct Bits {
    /// Where the next block begins.
    end: usize,
    /// A bit for each byte of the block, the first one lowest.
    bits: u64,
}

impl Marks for Bits {
    #[inline(always)]
    fn next(&mut self, text: &[u8], mut at: usize) -> usize {
        if at < self.end {
            let ahead = self.bits >> (at % BLOCK);
            if ahead != 0 {
                return at + ahead.trailing_zeros() as usize;
            }
            at = self.end;
        }
        loop {
            if at >= text.len() {
                return text.len();
            }
            let block = at / BLOCK * BLOCK;
            self.bits = match text.get(block..).and_then(|rest| rest.first_chunk()) {
                Some(bytes) => marks_of(bytes),
                None => last_marks(text),
            };
            self.end = block + BLOCK;
            let ahead = self.bits >> (at % BLOCK);
            if ahead != 0 {
                return at + ahead.trailing_zeros() as usize;
            }
            at = self.end;
        }
    }
}

/// The marks of a block that is not whole. It is read with the bytes before it, so that nothing
/// is copied; where there are too few of those, with others behind it.
#[cold]
#[inline(never)]
fn last_marks(text: &[u8]) -> u64 {
    if let Some(bytes) = text.last_chunk() {
        return marks_of(bytes) >> (BLOCK - text.len() % BLOCK);
    }
    let mut bytes = [b' '; BLOCK];
    bytes.iter_mut().zip(text).for_each(|(byte, from)| *byte = *from);
    marks_of(&bytes)
}

/// Finds marks sixteen bytes at a time.
#[inline(always)]
fn marks_of(block: &[u8; BLOCK]) -> u64 {
    // With this turned, the quote follows the control bytes, the space does not, and the order is
    // that of signed bytes.
    const TURN: i8 = (0x80 | 2) as i8;
    let turned = |byte: u8| i8x16::splat(byte as i8 ^ TURN);
    let (quarters, _) = block.as_chunks::<16>();
    quarters.iter().enumerate().fold(0, |bits, (at, quarter)| {
        let bytes = i8x16::new(quarter.map(|byte| byte as i8)) ^ i8x16::splat(TURN);
        let marks = bytes.simd_lt(turned(b'"' + 1)) | bytes.simd_eq(turned(b'\\'));
        bits | u64::from(marks.to_bitmask() as u16) << (16 * at)
    })
}

#[cfg(test)]
pub(super) struct Plain;

/// The oracle of the other form.
#[cfg(test)]
impl Marks for Plain {
    fn next(&mut self, text: &[u8], at: usize) -> usize {
        let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let ahead = text.get(at..).unwrap_or_default();
        ahead.iter().position(is_mark).map_or(text.len(), |found| at + found)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Bits, Marks, Plain};

    #[test]
    fn every_byte_in_every_place() {
        // Quotes are among the few bytes that Miri has time for.
        let step = if cfg!(miri) { 34 } else { 1 };
        for length in [0, 1, 15, 16, 17, 63, 64, 65, 130] {
            for place in (0..length).step_by(step) {
                for byte in (0..=255u8).step_by(step) {
                    let mut bytes = vec![b'a' ^ (byte & 0x80); length];
                    bytes[place] = byte;
                    let found = Bits::default().next(&bytes, 0);
                    assert_eq!(found, Plain.next(&bytes, 0), "{byte} at {place} of {length}");
                }
            }
        }
    }

    /// From any place onwards, across blocks.
    #[test]
    fn every_place_across_blocks() {
        let blocks = if cfg!(miri) { 2 } else { 30 };
        for length in [BLOCK - 1, BLOCK, BLOCK + 1, blocks * BLOCK + 13] {
            for step in [1, 7, 100, 1000] {
                let mut bytes = vec![b'a'; length];
                bytes.iter_mut().skip(step / 2).step_by(step).for_each(|byte| *byte = b'"');
                for stride in [1, 3, 200] {
                    let (mut bits, mut found) = (Bits::default(), 0);
                    for at in (0..=length).step_by(stride) {
                        if at >= found {
                            found = bits.next(&bytes, at);
                        }
                        let expected = Plain.next(&bytes, at);
                        assert_eq!(found, expected, "from {at} of {length}, each {step}");
                    }
                }
            }
        }
    }
}
