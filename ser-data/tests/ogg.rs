//! OGG: pages that are cut, end marks that stand too early, and counts that leave a gap.

use ser_data::{Audio, AudioOptions, AudioWarning};

use crate::common::{encoding, pages, sum};

/// A file whose only page of sound is divided into pages of a packet each.
fn divided(name: &str) -> (Audio, Vec<Vec<u8>>) {
    let file = std::fs::read(encoding(name)).unwrap();
    let whole = Audio::decode(&file, None, name).unwrap();
    let pages = pages(&file);
    let (last, head) = pages.split_last().unwrap();
    let table = 27 + usize::from(last[26]);
    let (mut divided, mut at, mut lacing) = (head.to_vec(), table, vec![]);
    let packets = last[27..table].iter().filter(|&&lace| lace < 255).count();
    for &lace in &last[27..table] {
        lacing.push(lace);
        if lace == 255 {
            continue;
        }
        let body: usize = lacing.iter().map(|&lace| usize::from(lace)).sum();
        let number = divided.len() - head.len() + 1;
        let mut page = last[..26].to_vec();
        if number < packets {
            page[5] &= !4;
            // A page that counts nothing.
            page[6..14].fill(0xFF);
        }
        page[18..22].copy_from_slice(&(divided.len() as u32).to_le_bytes());
        page.push(lacing.len() as u8);
        page.append(&mut lacing);
        page.extend(&last[at..at + body]);
        at += body;
        sum(&mut page);
        divided.push(page);
    }
    (whole, divided)
}

fn of(pages: &[Vec<u8>]) -> Audio {
    Audio::decode(&pages.concat(), None, "x.ogg").unwrap()
}

#[test]
fn the_packets_before_a_cut_are_read_where_that_is_allowed() {
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    for name in ["vorbis.ogg", "opus.ogg"] {
        let file = std::fs::read(encoding(name)).unwrap();
        let whole = Audio::decode(&file, None, name).unwrap();
        let mut longest = 0;
        for cut in (0..file.len()).step_by(23) {
            assert!(Audio::decode(&file[..cut], None, name).is_err(), "{name}, {cut} bytes");
            let Ok(part) = Audio::decode_with(&allowed, &file[..cut], None, name) else { continue };
            assert!(part.samples[..] == whole.samples[..part.samples.len()], "{name}, {cut} bytes");
            assert!(part.samples.len() >= longest, "{name}, {cut} bytes");
            longest = part.samples.len();
            let [AudioWarning::CutShort { reason }] = &part.warnings[..] else {
                panic!("{:?}", part.warnings)
            };
            assert!(reason.starts_with("bytes of an OGG page must be "), "{reason}");
        }
        println!("{name}: up to {longest} of {} samples", whole.samples.len());
        assert!(longest > whole.samples.len() / 3, "{name}: {longest} of {}", whole.samples.len());
    }
}

#[test]
fn pages_behind_an_early_end_mark_are_read() {
    for name in ["opus.ogg", "flac.ogg"] {
        let (whole, mut pages) = divided(name);
        assert_eq!((of(&pages).samples, of(&pages).warnings), (whole.samples.clone(), vec![]), "{name}");
        let middle = pages.len() - 2;
        pages[middle][5] |= 4;
        sum(&mut pages[middle]);
        let audio = of(&pages);
        assert!(audio.samples == whole.samples, "{name}: {}", audio.samples.len());
        assert_eq!(audio.warnings, [AudioWarning::EarlyEnd], "{name}");
    }
}

#[test]
fn pages_that_count_more_than_they_hold_leave_a_gap() {
    let (whole, mut pages) = divided("flac.ogg");
    let rate = whole.sample_rate;
    let sound = pages.len() - 1;
    let counts = |page: &mut Vec<u8>, frames: u64| {
        page[6..14].copy_from_slice(&frames.to_le_bytes());
        sum(page);
    };
    // The first page of sound counts its own packet, the last one a second more than there is.
    counts(&mut pages[2], 256);
    let declared = whole.frames() as u64;
    counts(&mut pages[sound], declared + u64::from(rate));
    let audio = of(&pages);
    assert_eq!(audio.samples, whole.samples);
    let [AudioWarning::Gap { missing, .. }] = audio.warnings[..] else { panic!("{:?}", audio.warnings) };
    println!("{missing} s are missing");
    assert!((missing - 1.0).abs() < 0.2, "{missing}");
}
