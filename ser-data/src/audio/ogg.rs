//! OGG (RFC 3533) with Vorbis, Opus (RFC 7845) or FLAC: every page's checksum, number and count of frames is compared.

use symphonia::core::codecs::audio::well_known::CODEC_ID_VORBIS;

use super::demux::{Codec, Demuxer, Granule, Item, Packet, Stream, parameters};
use super::opus::OpusHead;
use super::source::{Source, le};
use super::tags::{is_tag, tag_bytes};
use super::{AudioErrorKind, AudioOptions, AudioWarning, flac};

const HEADER: usize = 27;

/// The longest packet that is gathered: far above every codec's.
const MAX_PACKET: usize = 1 << 24;

/// What each byte adds to a page's checksum, polynomial 0x04C11DB7, the highest bit first.
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u32) << 24, 0);
        while bit < 8 {
            crc = if crc & 1 << 31 != 0 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, &byte| crc << 8 ^ CRC[((crc >> 24) as u8 ^ byte) as usize])
}

/// A page, whose checksum is right unless it is cut.
struct Page {
    continued: bool,
    first: bool,
    last: bool,
    granule: u64,
    serial: u32,
    number: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
}

impl Page {
    /// The packets that the body of a cut page holds to their ends. The page counts more than these.
    fn cut(mut self) -> Self {
        let (mut end, mut whole) = (0, 0);
        for (index, &lace) in self.lacing.iter().enumerate() {
            end += usize::from(lace);
            if end <= self.body.len() && lace < 255 {
                whole = index + 1;
            }
        }
        self.lacing.truncate(whole);
        Self { last: false, granule: u64::MAX, ..self }
    }
}

/// The packets of the first sound in a file, and of those that are chained to it.
pub(super) struct Packets<'s> {
    source: Source<'s>,
    active: Option<Logical>,
    /// The stream that ended last.
    ended: Option<Logical>,
    /// Whether the last stream ended with a page that says so.
    whole: bool,
    queue: std::collections::VecDeque<Item>,
    /// Whether a stream of sound began.
    begun: bool,
    /// Whether the first page begins a stream; `None` before it.
    complete: Option<bool>,
    /// The codec of the first stream that holds no sound which is read.
    other: Option<&'static str>,
    /// Whether to read the packets of a page that the file's end cuts.
    allow_truncated: bool,
    /// That the file ends within a page: an error after its packets.
    fault: Option<AudioErrorKind>,
    warnings: Vec<AudioWarning>,
}

/// The stream whose packets are read.
struct Logical {
    serial: u32,
    number: u32,
    codec: Kind,
    /// Header packets that are still to come.
    headers: usize,
    identification: Vec<u8>,
    /// The start of a packet that continues on the next page.
    partial: Vec<u8>,
    begun: bool,
    /// Whether a packet of sound was seen.
    sounds: bool,
    /// Whether pages followed one that is marked as the last.
    resumed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Vorbis,
    Opus,
    Flac,
}

impl<'s> Packets<'s> {
    pub(super) fn open(source: Source<'s>, options: &AudioOptions) -> Self {
        let (active, ended, queue, complete, other, fault, warnings) = Default::default();
        let (whole, begun, allow_truncated) = (true, false, options.allow_truncated);
        Self { source, active, ended, whole, queue, begun, complete, other, allow_truncated, fault, warnings }
    }

    /// The next page; `None` at the end of the file.
    fn page(&mut self) -> Result<Option<Page>, AudioErrorKind> {
        // Tags may stand between joined files, and after the last.
        while is_tag(&self.source.peek(11)?)
            && let at = self.source.position()
            && let Some(tag) = tag_bytes(&mut self.source, at)?
        {
            self.source.skip(tag)?;
        }
        let at = self.source.position();
        let mut bytes = self.source.bytes(HEADER as u64)?;
        if !bytes.starts_with(b"OggS") {
            if bytes.is_empty() {
                return Ok(None);
            }
            let rest = [bytes, self.source.peek(1 << 20)?].concat();
            if rest.windows(4).any(|window| window == b"OggS") {
                return Err(AudioErrorKind::malformed(format!(
                    "byte {at} must begin an OGG page, got other bytes before more pages"
                )));
            }
            if !rest.iter().all(|&byte| byte == 0) && !is_tag(&rest) {
                self.warnings.push(AudioWarning::BytesAfter { bytes: self.source.len() - at });
            }
            return Ok(None);
        }
        let cut = |declared: usize, found: usize| AudioErrorKind::Truncated {
            unit: "bytes of an OGG page",
            declared: declared as u64,
            found: found as u64,
        };
        let segments = usize::from(*bytes.get(HEADER - 1).ok_or_else(|| cut(HEADER, bytes.len()))?);
        self.source.append(segments as u64, &mut bytes)?;
        let start = HEADER + segments;
        let lacing = bytes.get(HEADER..start).ok_or_else(|| cut(start, bytes.len()))?.to_vec();
        let length = lacing.iter().map(|&lace| usize::from(lace)).sum::<usize>();
        self.source.append(length as u64, &mut bytes)?;
        let body = bytes[start..].to_vec();
        let field = |at, count| le(&bytes, at, count).unwrap_or(0);
        let (flags, granule, checksum) = (bytes[5], field(6, 8), field(22, 4) as u32);
        let (serial, number) = (field(14, 4) as u32, field(18, 4) as u32);
        let [continued, first, last] = [1, 2, 4].map(|flag| flags & flag != 0);
        let page = Page { continued, first, last, granule, serial, number, lacing, body };
        if page.body.len() < length {
            let error = cut(start + length, bytes.len());
            if !self.allow_truncated {
                return Err(error);
            }
            self.fault = Some(error);
            return Ok(Some(page.cut()));
        }
        bytes[22..26].fill(0);
        if crc(&bytes) != checksum {
            return Err(AudioErrorKind::malformed(format!(
                "checksum of the OGG page at byte {at} must match its bytes, got another"
            )));
        }
        Ok(Some(page))
    }

    /// Takes a page's packets into the queue.
    fn take(&mut self, page: Page) -> Result<(), AudioErrorKind> {
        self.complete.get_or_insert(page.first);
        if page.first {
            return self.begin(page);
        }
        if self.active.is_none()
            && let Some(ended) = self.ended.take_if(|ended| ended.serial == page.serial)
        {
            self.warnings.extend((!ended.resumed).then_some(AudioWarning::EarlyEnd));
            self.active = Some(Logical { resumed: true, ..ended });
            self.whole = false;
        }
        let Some(active) = self.active.as_mut().filter(|active| active.serial == page.serial) else {
            return Ok(());
        };
        let expected = active.number.wrapping_add(1);
        if page.number != expected {
            let reason = format!(
                "OGG page after page {} must be page {expected}, got page {}",
                active.number, page.number
            );
            return Err(AudioErrorKind::malformed(reason));
        }
        active.number = page.number;
        if page.continued == active.partial.is_empty()
            && !page.lacing.is_empty()
            && (page.continued || !active.partial.is_empty())
        {
            let (rule, found) = match page.continued {
                true => ("begin with a new packet", "the rest of one"),
                false => ("begin with the rest of the last packet", "a new one"),
            };
            return Err(AudioErrorKind::malformed(format!(
                "OGG page {} must {rule}, got {found}",
                page.number
            )));
        }
        let granule = Granule { frames: page.granule, last: page.last };
        // A page on which no packet ends counts nothing.
        let granule = (page.granule != u64::MAX).then_some(granule);
        active.packets(&page, granule, &mut self.queue)?;
        if page.last {
            (self.ended, self.whole) = (self.active.take(), true);
        }
        Ok(())
    }

    /// A stream's first page, which tells its codec.
    fn begin(&mut self, page: Page) -> Result<(), AudioErrorKind> {
        let codec = match &page.body[..] {
            [0x01, rest @ ..] if rest.starts_with(b"vorbis") => Kind::Vorbis,
            [0x7F, rest @ ..] if rest.starts_with(b"FLAC") => Kind::Flac,
            body if body.starts_with(b"OpusHead") => Kind::Opus,
            body => {
                let other = [
                    (&b"Speex   "[..], "Speex"),
                    (b"\x7fFLAC", "FLAC"),
                    (b"CELT", "CELT"),
                    (b"PCM     ", "PCM in OGG"),
                ];
                let other = other.iter().find(|(magic, _)| body.starts_with(magic)).map(|(_, name)| *name);
                self.other = self.other.or(other);
                return Ok(());
            }
        };
        match &self.active {
            // The pages that begin streams side by side stand together, before those with sound.
            Some(active) if active.sounds => self.warnings.push(AudioWarning::NoEnd),
            Some(_) => return Ok(()),
            None => {}
        }
        let headers = match codec {
            Kind::Vorbis => 3,
            Kind::Opus => 2,
            // The number of those after the first.
            Kind::Flac => 1 + le(&page.body, 8, 1).unwrap_or(0) as usize,
        };
        (self.begun, self.whole) = (true, false);
        let mut active = Logical {
            serial: page.serial,
            number: page.number,
            codec,
            headers,
            identification: Vec::new(),
            partial: Vec::new(),
            begun: false,
            sounds: false,
            resumed: false,
        };
        active.packets(&page, None, &mut self.queue)?;
        self.active = Some(active);
        Ok(())
    }
}

impl Logical {
    fn packets(
        &mut self,
        page: &Page,
        granule: Option<Granule>,
        queue: &mut std::collections::VecDeque<Item>,
    ) -> Result<(), AudioErrorKind> {
        let (mut at, before) = (0, queue.len());
        for &lace in &page.lacing {
            let end = at + usize::from(lace);
            self.partial.extend_from_slice(&page.body[at..end]);
            at = end;
            if self.partial.len() > MAX_PACKET {
                return Err(AudioErrorKind::malformed(format!(
                    "OGG packet must have at most {MAX_PACKET} bytes, got more"
                )));
            }
            if lace < 255 {
                let data = std::mem::take(&mut self.partial);
                self.packet(data, queue)?;
            }
        }
        // The page counts the frames up to the end of its last packet.
        if let Some(Item::Packet(last)) = queue.back_mut().filter(|_| granule.is_some()) {
            last.granule = granule;
        } else if let (Some(granule), true) =
            (granule, self.begun && granule.is_some_and(|g| g.last) && queue.len() == before)
        {
            // An empty last page: it only counts.
            queue.push_back(Item::Packet(Packet { granule: Some(granule), ..Default::default() }));
        }
        Ok(())
    }

    fn packet(
        &mut self,
        data: Vec<u8>,
        queue: &mut std::collections::VecDeque<Item>,
    ) -> Result<(), AudioErrorKind> {
        // Old FLAC streams don't count their headers: frames begin with a sync code.
        let uncounted = self.codec == Kind::Flac && self.headers == 1 && !self.identification.is_empty();
        if self.headers == 0 || (uncounted && data.first() == Some(&0xFF)) {
            if uncounted && self.headers > 0 {
                self.headers = 0;
                self.begin(queue)?;
            }
            // An empty packet stands for a frame without sound.
            self.sounds = true;
            if !data.is_empty() {
                queue.push_back(Item::Packet(Packet { data, ..Default::default() }));
            }
            return Ok(());
        }
        self.headers -= 1;
        match (self.codec, self.headers) {
            (Kind::Vorbis, 2) | (Kind::Opus, 1) => self.identification = data,
            (Kind::Flac, _) if self.identification.is_empty() => self.identification = data,
            // Comments don't matter.
            (Kind::Vorbis, 0) => {
                self.identification.extend(data);
                self.begin(queue)?;
            }
            (Kind::Opus, 0) => self.begin(queue)?,
            _ => {}
        }
        if self.codec == Kind::Flac && self.headers == 0 && !self.begun {
            self.begin(queue)?;
        }
        Ok(())
    }

    fn begin(&mut self, queue: &mut std::collections::VecDeque<Item>) -> Result<(), AudioErrorKind> {
        self.begun = true;
        let head = &self.identification;
        let stream = match self.codec {
            Kind::Opus => {
                let head = OpusHead::parse(head)?;
                let skip = head.pre_skip.into();
                Stream { skip, ..Stream::new(Codec::Opus(head)) }
            }
            Kind::Flac => flac::stream(head.get(17..).unwrap_or_default())?,
            Kind::Vorbis => {
                let (channels, rate) = (le(head, 11, 1).unwrap_or(0), le(head, 12, 4).unwrap_or(0));
                let mut vorbis = parameters(CODEC_ID_VORBIS, rate as u32, channels as u16);
                vorbis.with_extra_data(head.clone().into());
                Stream::symphonia(vorbis)
            }
        };
        queue.push_back(Item::Stream(stream));
        Ok(())
    }
}

impl Demuxer for Packets<'_> {
    fn next(&mut self) -> Result<Item, AudioErrorKind> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Ok(item);
            }
            if let Some(page) = self.page()? {
                self.take(page)?;
                continue;
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            if let (None, true, Some(codec)) = (&self.active, self.whole, self.other) {
                return Err(AudioErrorKind::UnsupportedCodec { codec: codec.into() });
            }
            if !self.begun && self.complete == Some(false) {
                return Err(AudioErrorKind::NoBeginning { container: "OGG" });
            }
            if !self.begun {
                return Err(AudioErrorKind::NoAudioTrack);
            }
            if let Some(active) = self.active.take() {
                if active.partial.is_empty() && active.headers > 0 {
                    let headers = active.headers;
                    return Err(AudioErrorKind::malformed(format!(
                        "OGG header packets must be whole, got all but the last {headers}"
                    )));
                }
                if !active.partial.is_empty() {
                    let found = active.partial.len();
                    return Err(AudioErrorKind::malformed(format!(
                        "last OGG packet must be whole, got its first {found} bytes"
                    )));
                }
                self.warnings.push(AudioWarning::NoEnd);
            }
            return Ok(Item::End);
        }
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}
