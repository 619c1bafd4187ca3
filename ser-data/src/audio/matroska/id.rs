//! Identifiers of elements.

pub(super) const EBML: u32 = 0x1A45_DFA3;
pub(super) const SEGMENT: u32 = 0x1853_8067;
pub(super) const INFO: u32 = 0x1549_A966;
pub(super) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
pub(super) const DURATION: u32 = 0x4489;
pub(super) const CLUSTER: u32 = 0x1F43_B675;
pub(super) const TIMESTAMP: u32 = 0xE7;
pub(super) const TRACKS: u32 = 0x1654_AE6B;
pub(super) const TRACK_ENTRY: u32 = 0xAE;
pub(super) const TRACK_NUMBER: u32 = 0xD7;
pub(super) const TRACK_TYPE: u32 = 0x83;
pub(super) const CODEC_ID: u32 = 0x86;
pub(super) const CODEC_PRIVATE: u32 = 0x63A2;
pub(super) const CODEC_DELAY: u32 = 0x56AA;
pub(super) const AUDIO: u32 = 0xE1;
pub(super) const SAMPLING_FREQUENCY: u32 = 0xB5;
pub(super) const CHANNELS: u32 = 0x9F;
pub(super) const BIT_DEPTH: u32 = 0x6264;
pub(super) const CONTENT_ENCODINGS: u32 = 0x6D80;
pub(super) const CONTENT_ENCODING: u32 = 0x6240;
pub(super) const CONTENT_COMPRESSION: u32 = 0x5034;
pub(super) const CONTENT_COMP_ALGO: u32 = 0x4254;
pub(super) const CONTENT_COMP_SETTINGS: u32 = 0x4255;
pub(super) const CONTENT_ENCRYPTION: u32 = 0x5035;
pub(super) const SIMPLE_BLOCK: u32 = 0xA3;
pub(super) const BLOCK_GROUP: u32 = 0xA0;
pub(super) const BLOCK: u32 = 0xA1;
pub(super) const DISCARD_PADDING: u32 = 0x75A2;

/// Whether an identifier is known and has four bytes. Four random bytes are such an identifier only once in millions.
pub(super) fn is_long(id: u32) -> bool {
    id >> 28 == 1 && is_known(id)
}

/// Whether an element is one that is read, or known to hold no sound.
pub(super) fn is_known(id: u32) -> bool {
    matches!(id, TIMESTAMP | SIMPLE_BLOCK | BLOCK_GROUP | EBML | SEGMENT | INFO | CLUSTER | TRACKS)
        || OTHERS.contains(&id)
}

/// Elements of files, segments and clusters that hold no sound: SeekHead, Cues, Chapters, Attachments, Tags, the signature's slot,
/// Void, CRC-32, SilentTracks, Position, PrevSize and EncryptedBlock.
pub(super) const OTHERS: [u32; 12] = [
    0x114D_9B74,
    0x1C53_BB6B,
    0x1043_A770,
    0x1941_A469,
    0x1254_C367,
    0x1B53_8667,
    0xEC,
    0xBF,
    0x5854,
    0xA7,
    0xAB,
    0xAF,
];
