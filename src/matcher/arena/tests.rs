use super::{Arena, Offset, size};

#[test]
fn gives_each_length_a_sufficient_capacity() {
    let mut last = (0, 0);
    for len in 1..5000 {
        let found = size(len);
        assert!(found.0 >= len && 2 * found.0 <= 3 * len.max(2), "{len}: {found:?}");
        assert!(found == last || (found.0 > last.0 && found.1 > last.1), "{len}: {found:?}");
        last = found;
    }
}

/// Lists that grow and shrink keep their words, and freed arena are reused.
#[test]
fn agrees_with_plain_vectors() {
    let mut arena = Arena::default();
    let mut plain: Vec<(Offset, Vec<u32>)> = Vec::new();
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut len_at_half = 0;
    for step in 0..40_000u32 {
        match (random(4), plain.len()) {
            (0, 0..50) | (_, 0) => {
                let list: Vec<u32> = (0..1 + random(6) as u32).map(|n| n ^ step).collect();
                plain.push((arena.store(&list), list));
            }
            (1, count) => {
                let (at, list) = &mut plain[random(count)];
                let position = random(list.len() + 1);
                let new: Vec<u32> = (0..1 + random(3) as u32).map(|n| n ^ step).collect();
                *at = arena.insert(*at, list.len(), position, &new);
                list.splice(position..position, new);
            }
            (2, count) => {
                let (at, list) = &mut plain[random(count)];
                let position = random(list.len());
                let cut = (1 + random(4)).min(list.len() - position).min(list.len() - 1);
                if cut > 0 {
                    *at = arena.remove(*at, list.len(), position, cut);
                    list.drain(position..position + cut);
                }
            }
            (_, count) => {
                let (at, list) = plain.swap_remove(random(count));
                arena.free(at, list.len());
            }
        }
        for (at, list) in &plain {
            assert_eq!(arena.list(*at, list.len()), list);
        }
        if step % 9_000 == 5_000 {
            let mut packed = arena.packing_target();
            plain.iter_mut().for_each(|(at, list)| *at = packed.store(list));
            packed.end_relocation();
            arena = packed;
            let words: usize = plain.iter().map(|(_, list)| list.len()).sum();
            assert_eq!((arena.bytes(), arena.free_words), (4 * words, 0));
        }
        if step == 20_000 {
            len_at_half = arena.len();
        }
    }
    assert!(arena.len() < 2 * len_at_half, "{} {len_at_half}", arena.len());
    for (at, list) in plain {
        arena.free(at, list.len());
    }
    assert_eq!(arena.free_words, arena.len());
}

#[test]
fn predicts_the_room_of_a_list() {
    for len in 1..300 {
        let mut arena = Arena::default();
        arena.store(&vec![7; len]);
        assert_eq!(arena.len(), Arena::room(len));
    }
}

/// The capacity grows by an eighth: not by more, and not on each insert.
#[test]
fn grows_by_an_eighth() {
    let (mut arena, mut bytes, mut times) = (Arena::default(), 0, 0);
    for _ in 0..20_000 {
        arena.store(&[7; 3]);
        times += usize::from(std::mem::replace(&mut bytes, arena.bytes()) != arena.bytes());
        let limit = arena.len() + arena.len() / 8 + 64;
        assert!(bytes <= limit * size_of::<u32>(), "{bytes} for {}", arena.len());
    }
    assert!(times < 100, "{times}");
}

#[test]
fn is_sparse_only_if_relocating_pays_off() {
    let mut arena = Arena::default();
    let mut lists: Vec<Offset> = (0..1000).map(|_| arena.store(&[7; 4])).collect();
    let mut free = |count: usize, arena: &mut Arena| {
        lists.drain(..count).for_each(|at| arena.free(at, 4));
    };
    assert!(!arena.is_sparse(0));
    free(400, &mut arena);
    assert!(!arena.is_sparse(0), "most words are used");
    free(300, &mut arena);
    assert_eq!((arena.free_words(), arena.len()), (2800, 4000));
    assert!(arena.is_sparse(0) && arena.is_sparse(2700));
    assert!(!arena.is_sparse(2900), "visiting all entries costs more");
    let mut few = Arena::default();
    let at = few.store(&[7; 4]);
    few.free(at, 4);
    assert!(!few.is_sparse(0), "too few words to matter");
}

#[test]
fn relocates_lists_without_growing() {
    let mut arena = Arena::default();
    let lists: Vec<Offset> = (0..1000).map(|_| arena.store(&[7; 4])).collect();
    lists.iter().take(700).for_each(|at| arena.free(*at, 4));
    let mut moved = arena.relocation_target();
    let bytes = moved.bytes();
    lists.iter().skip(700).for_each(|at| {
        moved.store(arena.list(*at, 4));
    });
    assert_eq!((moved.len(), moved.free_words()), (300 * 4, 0));
    assert_eq!((moved.bytes(), bytes), (bytes, 300 * 4 * size_of::<u32>()));
}
