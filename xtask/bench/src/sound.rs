//! Texts to speak, and sound to transcribe that is made of them.

/// A sentence of 81 characters.
pub const SENTENCE: &str = "The ferry leaves the harbor at nine, and on clear days you can see the far hills.";

/// Ordinary prose of about 620 characters.
pub const PARAGRAPH: &str = "My grandmother kept a garden behind the old mill, where the river turns to the west. \
    Every spring she planted beans along the wall, and by the end of July they had climbed so high that we needed a ladder. \
    She never wrote anything down. When somebody asked her how much water a plant should have, she pushed one finger into \
    the soil and waited. Was it too dry? Then we carried two buckets from the river, slowly, so that nothing was lost. \
    In the evening we sat on the steps, ate bread with tomatoes, and watched the light go. I have had three gardens of my own since \
    then, and none of them was half as good as hers.";

/// More of it, so that both together last longer than a minute.
pub const MORE: &str = "The mill itself had stood empty for forty years. Its wheel was gone, the roof had fallen in on \
    one side, and swallows went in and out through the windows. On hot afternoons we climbed up to the second floor, although \
    we had been told not to, and looked at the names that workers had cut into the beams. One of them was ours. My \
    grandfather had carved it there when he was fourteen, on his first day, and he was proud of it for the rest of his life. \
    Last autumn the town sold the building. There will be apartments, they say, with balconies over the water. I asked the \
    new owner for the beam, and to my surprise he kept his promise.";

/// Of what a runtime speaks as pcm: 16-bit samples of one channel, so many in a second.
const RATE: u32 = 24_000;

/// Bytes of pcm in a second.
pub const BYTES: f64 = 2.0 * RATE as f64;

/// A WAV file of the first seconds of a sound, which is repeated where it is shorter.
pub fn clip(sound: &[u8], seconds: u32) -> Vec<u8> {
    let size = RATE * seconds * 2;
    let mut file = b"RIFF".to_vec();
    file.extend((size + 36).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(size.to_le_bytes());
    file.extend(sound.iter().cycle().take(size as usize));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_cut_or_repeated_to_its_length() {
        let sound = (0..60_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>();
        let one = clip(&sound, 1);
        assert_eq!((one.len(), &one[..4], &one[44..]), (48_044, &b"RIFF"[..], &sound[..48_000]));
        let two = clip(&sound, 2);
        assert_eq!((two.len(), &two[60_044..]), (96_044, &sound[..36_000]));
        assert_eq!(two[40..44], 96_000_u32.to_le_bytes());
    }
}
