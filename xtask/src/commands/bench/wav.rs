//! Sound to transcribe: 16-bit samples of one channel, at the rate of what the runtime speaks as pcm.

/// Samples in a second.
const RATE: u32 = 24_000;

/// A WAV file of the first seconds of a sound, which is repeated where it is shorter.
pub fn clip(sound: &[u8], seconds: u32) -> Vec<u8> {
    let length = (RATE * seconds) as usize * 2;
    file(&sound.iter().copied().cycle().take(length).collect::<Vec<_>>())
}

/// A WAV file of 16-bit samples of one channel.
fn file(samples: &[u8]) -> Vec<u8> {
    let size = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(samples.len() + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&size.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&(RATE * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(samples);
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
