//! What is spoken, and what recordings to transcribe are made of.

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
