//! How the elements of a chunk are encoded, as data: the order of their axes, what their bytes are, and the codecs of those bytes.

use super::{codec::ByteCodec, rare::RareCodecs};

/// Bytes of small pieces that are read together.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// Bytes of neighbouring inner chunks that are read together.
pub(super) const GROUP_BYTES: usize = 1024 * 1024;

/// What is said of elements that lie in their file as they are.
const NO_CODEC: &str = "none";

/// The encoding of one chunk.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Shape of the decoded chunk.
    pub shape: Vec<usize>,
    /// Axis `i` of what is stored is axis `order[i]` of the chunk; `None` if they are the same.
    pub order: Option<Vec<usize>>,
    /// What the bytes are when all codecs of bytes are undone.
    pub body: Body,
    /// Codecs of bytes, in the order in which a writer applies them.
    pub steps: Vec<ByteCodec>,
    /// Bytes of an element.
    pub item_bytes: usize,
}

/// The bytes of a chunk.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Elements in C order of the stored axes.
    Elements {
        /// Whether they have the other byte order than this machine.
        swapped: bool,
    },
    /// Chunks of its own, and an index of their places.
    Shard(Box<Shard>),
    /// Whatever zarrs makes of it.
    Rare(Box<RareCodecs>),
}

/// Chunks inside of a chunk.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    /// Inner chunks per stored axis.
    pub grid: Vec<usize>,
    /// Encoding of an inner chunk.
    pub inner: Chain,
    /// Whether places in the index are big-endian.
    pub index_is_big_endian: bool,
    /// Codecs of the bytes of the index: checksums only.
    pub index_steps: Vec<ByteCodec>,
    /// Where the index stands.
    pub index_at: IndexAt,
}

/// Where the index of a shard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexAt {
    Start,
    End,
}

impl Shard {
    /// Inner chunks of a shard, empty ones included.
    pub fn count(&self) -> usize {
        self.grid.iter().product()
    }

    /// Bytes of the encoded index.
    pub fn index_bytes(&self) -> usize {
        self.index_steps.iter().fold(self.count().saturating_mul(16), |bytes, step| step.encoded_bytes_max(bytes))
    }
}

impl Chain {
    /// Bytes of the decoded chunk.
    pub fn decoded_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.item_bytes
    }

    /// Shape of the chunk with its axes in the order they are stored in.
    pub fn stored_shape(&self) -> Vec<usize> {
        match &self.order {
            Some(order) => super::copy::permuted(&self.shape, order),
            None => self.shape.clone(),
        }
    }

    /// Whether the file has the elements and nothing else.
    pub fn is_plain(&self) -> bool {
        self.steps.is_empty() && matches!(self.body, Body::Elements { .. })
    }

    /// Whether the chunk is a shard whose inner chunks can be read where they lie.
    pub fn is_open_shard(&self) -> bool {
        self.steps.is_empty() && matches!(self.body, Body::Shard(_))
    }

    /// Bytes of the body at most.
    pub fn body_bytes_max(&self) -> usize {
        match &self.body {
            Body::Elements { .. } => self.decoded_bytes(),
            Body::Rare(_) => self.decoded_bytes().saturating_add(4096),
            // Space that is not used is allowed between inner chunks.
            Body::Shard(shard) => {
                shard.inner.encoded_bytes_max().saturating_mul(shard.count()).saturating_mul(2).saturating_add(shard.index_bytes())
            }
        }
    }

    /// Bytes of an encoded chunk at most.
    pub fn encoded_bytes_max(&self) -> usize {
        self.steps.iter().fold(self.body_bytes_max(), |bytes, step| step.encoded_bytes_max(bytes))
    }

    /// The shape of what is decoded together: the innermost chunk that can be reached without decoding what is around it.
    pub fn unit(&self) -> Vec<usize> {
        let Body::Shard(shard) = &self.body else { return self.shape.clone() };
        if !self.is_open_shard() {
            return self.shape.clone();
        }
        let inner = shard.inner.unit();
        let Some(order) = &self.order else { return inner };
        let mut unit = vec![0; inner.len()];
        for (stored, &axis) in order.iter().enumerate() {
            unit[axis] = inner[stored];
        }
        unit
    }

    /// The codecs of what is decoded at a time, in words.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        if let Some(order) = &self.order {
            words.push(format!("transpose {}", crate::nd::shape::show(order)));
        }
        match &self.body {
            Body::Elements { swapped: false } => {}
            Body::Elements { swapped: true } => {
                words.push(if cfg!(target_endian = "little") { "big-endian" } else { "little-endian" }.to_string())
            }
            Body::Shard(shard) => words.push(shard.inner.words()),
            Body::Rare(codecs) => words.push(codecs.names().to_string()),
        }
        words.extend(self.steps.iter().map(|step| step.name().to_string()));
        words.retain(|word| word != NO_CODEC);
        if words.is_empty() { NO_CODEC.to_string() } else { words.join(", ") }
    }

    /// Bytes that decoding one chunk holds besides the buffer it fills.
    pub fn scratch_bytes(&self) -> usize {
        let decoded = self.decoded_bytes();
        if self.is_plain() {
            return if self.order.is_some() { decoded } else { decoded.min(PIECE_BYTES) };
        }
        let mut bytes = 0usize;
        if !self.steps.is_empty() {
            bytes = self.encoded_bytes_max();
            // At most two buffers change places, each as large as the largest thing between two codecs.
            let made = self.steps.iter().filter(|step| !step.is_checksum()).count();
            let largest = self.encoded_bytes_max().max(self.body_bytes_max());
            bytes = bytes.saturating_add(match made {
                0 => 0,
                1 => self.body_bytes_max(),
                _ => largest.saturating_mul(2),
            });
            if self.steps.contains(&ByteCodec::Blosc) {
                bytes = bytes.saturating_add(self.body_bytes_max());
            }
        }
        if let Body::Rare(_) = &self.body {
            // What was read, what is made of it, and a copy between two codecs.
            bytes = bytes.saturating_add(decoded.saturating_mul(3)).saturating_add(self.body_bytes_max());
        }
        if let Body::Shard(shard) = &self.body {
            // The index as read, its places, two more indexes that are kept, and the places that are wanted.
            let index = shard.index_bytes().saturating_mul(6);
            let group = if shard.inner.is_open_shard() { 0 } else { GROUP_BYTES.max(shard.inner.encoded_bytes_max()) };
            bytes = bytes.saturating_add(index).saturating_add(group).saturating_add(shard.inner.scratch_bytes());
        }
        bytes
    }
}
