//! Many short lists of words in one piece of memory.
//!
//! A list lies in a block whose size follows from its length, so that whoever keeps a list's place
//! and knows its length needs to keep nothing else. Copying all lists is copying one array.

/// Where a list begins.
pub(super) type Place = u32;

const NONE: u32 = u32::MAX;

/// Blocks come in two sizes for each power of two: 2, 3, 4, 6, 8, 12, …
const SIZES: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Blocks {
    words: Vec<u32>,
    /// For each size the first free block; each names the next one in its first word.
    free: [u32; SIZES],
    /// Words in free blocks.
    idle: usize,
    /// Words that changes of lists moved, so far.
    #[cfg(test)]
    pub(super) moved_words: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            free: [NONE; SIZES],
            idle: 0,
            #[cfg(test)]
            moved_words: 0,
        }
    }
}

/// Words in the block of a list of `len`, at least one, and the number of that size.
fn size(len: usize) -> (usize, usize) {
    debug_assert!(len > 0, "an empty list has no block");
    let power = len.max(2).next_power_of_two();
    let number = 2 * power.trailing_zeros() as usize;
    match power / 4 * 3 {
        less if len <= less => (less, number - 1),
        _ => (power, number),
    }
}

/// Reads words that are needed next, all of them before the first is waited for.
#[inline]
pub(super) fn look(words: impl Iterator<Item = u32>) {
    std::hint::black_box(words.fold(0, u32::wrapping_add));
}

impl Blocks {
    /// Most words that can be held: places are counted in 32 bits.
    pub(super) const MAX: usize = NONE as usize;

    /// Words that a list of `len` may add, that which it is copied out of included.
    pub(super) fn room(len: usize) -> usize {
        size(len).0
    }

    /// Words in use or free.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Words that are free.
    pub(super) fn idle(&self) -> usize {
        self.idle
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// Whether most of the memory is free, and more words of it than there are places to walk when
    /// all lists move: then that costs no more than what freed them.
    pub(super) fn is_sparse(&self, places: usize) -> bool {
        const SMALL: usize = 1 << 9;
        self.idle > places.max(SMALL) && self.idle > self.words.len() / 2
    }

    /// An empty store with room for all lists of this one.
    pub(super) fn moved(&self) -> Self {
        Self {
            words: Vec::with_capacity(self.words.len() - self.idle),
            #[cfg(test)]
            moved_words: self.moved_words,
            ..Self::default()
        }
    }

    #[inline]
    pub(super) fn word(&self, at: Place) -> u32 {
        self.words.get(at as usize).copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn set(&mut self, at: Place, word: u32) {
        if let Some(place) = self.words.get_mut(at as usize) {
            *place = word;
        }
    }

    /// All words from `at` on, those of other lists included.
    #[inline]
    pub(super) fn from(&self, at: Place) -> &[u32] {
        self.words.get(at as usize..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn list(&self, at: Place, len: usize) -> &[u32] {
        self.from(at).get(..len).unwrap_or_default()
    }

    /// Keeps a list.
    pub(super) fn put(&mut self, list: &[u32]) -> Place {
        self.count(list.len());
        let at = self.take(list.len());
        self.write(at, list);
        at
    }

    /// Forgets a list.
    pub(super) fn free(&mut self, at: Place, len: usize) {
        let (words, number) = size(len);
        if let Some(first) = self.free.get_mut(number) {
            let next = std::mem::replace(first, at);
            self.set(at, next);
            self.idle += words;
        }
    }

    /// A list with `new` words put in before `position`; its new place.
    pub(super) fn insert(&mut self, at: Place, len: usize, position: usize, new: &[u32]) -> Place {
        let (begin, more) = (at as usize, len + new.len());
        let (from, to) = (begin + position, begin + len);
        self.count(if size(more) == size(len) { len - position } else { more });
        if size(more) == size(len) {
            self.words.copy_within(from..to, from + new.len());
            self.write(place(from), new);
            return at;
        }
        let copy = self.take(more);
        let target = copy as usize;
        self.words.copy_within(begin..from, target);
        self.write(place(target + position), new);
        self.words.copy_within(from..to, target + position + new.len());
        self.free(at, len);
        copy
    }

    /// A list without `count` words from `position` on, of which some are left; its new place.
    pub(super) fn remove(&mut self, at: Place, len: usize, position: usize, count: usize) -> Place {
        let begin = at as usize;
        let (from, to) = (begin + position, begin + len);
        let less = len - count;
        self.count(len - position + if size(less) == size(len) { 0 } else { less });
        self.words.copy_within(from + count..to, from);
        if size(less) == size(len) {
            return at;
        }
        let copy = self.take(less);
        self.words.copy_within(begin..begin + less, copy as usize);
        self.free(at, len);
        copy
    }

    #[cfg(test)]
    fn count(&mut self, words: usize) {
        self.moved_words += words;
    }

    #[cfg(not(test))]
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "it counts in tests only")]
    fn count(&mut self, _: usize) {}

    fn write(&mut self, at: Place, list: &[u32]) {
        let place = self.words.get_mut(at as usize..).and_then(|rest| rest.get_mut(..list.len()));
        if let Some(place) = place {
            place.copy_from_slice(list);
        }
    }

    /// A block for a list of `len`, whatever is in it.
    fn take(&mut self, len: usize) -> Place {
        let (words, number) = size(len);
        let first = self.free.get(number).copied().unwrap_or(NONE);
        if first != NONE {
            let next = self.word(first);
            if let Some(free) = self.free.get_mut(number) {
                *free = next;
            }
            self.idle -= words;
            return first;
        }
        let at = self.words.len();
        // Doubling would leave a third of the memory unused.
        if self.words.capacity() < at + words {
            self.words.reserve_exact(words.max(at / 8).max(64));
        }
        self.words.resize(at + words, 0);
        place(at)
    }
}

/// Never cut: what would grow beyond [`Blocks::MAX`] is refused before.
fn place(at: usize) -> Place {
    u32::try_from(at).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::{Blocks, Place, size};

    #[test]
    fn sizes_hold_their_lists() {
        let mut last = (0, 0);
        for len in 1..5000 {
            let found = size(len);
            assert!(found.0 >= len && 2 * found.0 <= 3 * len.max(2), "{len}: {found:?}");
            assert!(found == last || (found.0 > last.0 && found.1 > last.1), "{len}: {found:?}");
            last = found;
        }
    }

    /// Lists that grow and shrink keep their words, and blocks are used again.
    #[test]
    fn lists_agree_with_plain_ones() {
        let mut blocks = Blocks::default();
        let mut plain: Vec<(Place, Vec<u32>)> = Vec::new();
        let mut state = 7u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut most = 0;
        for step in 0..40_000u32 {
            match (random(4), plain.len()) {
                (0, 0..50) | (_, 0) => {
                    let list: Vec<u32> = (0..1 + random(6) as u32).map(|n| n ^ step).collect();
                    plain.push((blocks.put(&list), list));
                }
                (1, count) => {
                    let (at, list) = &mut plain[random(count)];
                    let position = random(list.len() + 1);
                    let new: Vec<u32> = (0..1 + random(3) as u32).map(|n| n ^ step).collect();
                    *at = blocks.insert(*at, list.len(), position, &new);
                    list.splice(position..position, new);
                }
                (2, count) => {
                    let (at, list) = &mut plain[random(count)];
                    let position = random(list.len());
                    let cut = (1 + random(4)).min(list.len() - position).min(list.len() - 1);
                    if cut > 0 {
                        *at = blocks.remove(*at, list.len(), position, cut);
                        list.drain(position..position + cut);
                    }
                }
                (_, count) => {
                    let (at, list) = plain.swap_remove(random(count));
                    blocks.free(at, list.len());
                }
            }
            for (at, list) in &plain {
                assert_eq!(blocks.list(*at, list.len()), list);
            }
            if step == 20_000 {
                most = blocks.len();
            }
        }
        assert!(blocks.len() < 2 * most, "{} {most}", blocks.len());
        for (at, list) in plain {
            blocks.free(at, list.len());
        }
        assert_eq!(blocks.idle, blocks.len());
    }

    #[test]
    fn a_list_takes_the_room_it_was_said_to() {
        for len in 1..300 {
            let mut blocks = Blocks::default();
            blocks.put(&vec![7; len]);
            assert_eq!(blocks.len(), Blocks::room(len));
        }
    }

    /// By an eighth, neither by more nor each time.
    #[test]
    fn memory_grows_by_a_part() {
        let (mut blocks, mut bytes, mut times) = (Blocks::default(), 0, 0);
        for _ in 0..20_000 {
            blocks.put(&[7; 3]);
            times += usize::from(std::mem::replace(&mut bytes, blocks.bytes()) != blocks.bytes());
            let most = blocks.len() + blocks.len() / 8 + 64;
            assert!(bytes <= most * size_of::<u32>(), "{bytes} for {}", blocks.len());
        }
        assert!(times < 100, "{times}");
    }

    #[test]
    fn sparse_is_more_free_than_used_and_than_a_move_costs() {
        let mut blocks = Blocks::default();
        let mut lists: Vec<Place> = (0..1000).map(|_| blocks.put(&[7; 4])).collect();
        let mut free = |count: usize, blocks: &mut Blocks| {
            lists.drain(..count).for_each(|at| blocks.free(at, 4));
        };
        assert!(!blocks.is_sparse(0));
        free(400, &mut blocks);
        assert!(!blocks.is_sparse(0), "more of it is used");
        free(300, &mut blocks);
        assert_eq!((blocks.idle(), blocks.len()), (2800, 4000));
        assert!(blocks.is_sparse(0) && blocks.is_sparse(2700));
        assert!(!blocks.is_sparse(2900), "the walk over all places takes longer");
        let mut few = Blocks::default();
        let at = few.put(&[7; 4]);
        few.free(at, 4);
        assert!(!few.is_sparse(0), "so little is not worth it");
    }

    #[test]
    fn lists_move_into_memory_that_is_there_for_them() {
        let mut blocks = Blocks::default();
        let lists: Vec<Place> = (0..1000).map(|_| blocks.put(&[7; 4])).collect();
        lists.iter().take(700).for_each(|at| blocks.free(*at, 4));
        let mut moved = blocks.moved();
        let bytes = moved.bytes();
        lists.iter().skip(700).for_each(|at| {
            moved.put(blocks.list(*at, 4));
        });
        assert_eq!((moved.len(), moved.idle()), (300 * 4, 0));
        assert_eq!((moved.bytes(), bytes), (bytes, 300 * 4 * size_of::<u32>()));
    }
}
