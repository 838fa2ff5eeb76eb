//! Array codecs that are left to zarrs: `packbits`, `reshape`, `squeeze` and their like. They decode a chunk into memory of its own.

use crate::{
    error::{Error, Result},
    nd::DType,
};
use serde_json::Value;
use std::{
    borrow::Cow,
    fmt,
    num::NonZeroU64,
    panic::{AssertUnwindSafe, catch_unwind},
};
use zarrs::{
    array::{ArrayToBytesCodecTraits, CodecChain, CodecOptions, DataType, FillValue},
    metadata::v3::MetadataV3,
};

/// Codecs that make bytes of elements, as zarrs has them.
#[derive(Clone)]
pub(super) struct RareCodecs {
    chain: std::sync::Arc<CodecChain>,
    shape: Vec<NonZeroU64>,
    dtype: DataType,
    fill: FillValue,
    names: String,
}

impl fmt::Debug for RareCodecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RareCodecs({})", self.names)
    }
}

impl RareCodecs {
    /// Makes the codecs of a chunk of `shape`; those that zarrs does not know are refused.
    pub fn new(codecs: &[&Value], names: Vec<&str>, shape: &[usize], dtype: DType) -> Result<Self> {
        let names = names.join(", ");
        let refused = |why: String| Error::data(format!("codecs `{names}` are not known or make no sense: {why}"));
        let metadata = codecs.iter().map(|codec| serde_json::from_value((*codec).clone())).collect::<Result<Vec<MetadataV3>, _>>();
        let metadata = metadata.map_err(|error| refused(error.to_string()))?;
        let dtype_metadata = MetadataV3::new(dtype.numpy_name());
        // Numbers in metadata are anybody's; what a codec makes of them is not ours to prove.
        let made = catch_unwind(AssertUnwindSafe(|| -> Result<_, String> {
            let chain = CodecChain::from_metadata(&metadata).map_err(|error| error.to_string())?;
            let data_type = DataType::from_metadata(&dtype_metadata).map_err(|error| error.to_string())?;
            Ok((chain, data_type))
        }));
        let (chain, data_type) = made.unwrap_or_else(|_| Err("they cannot be made".to_string())).map_err(refused)?;
        Ok(RareCodecs {
            chain: std::sync::Arc::new(chain),
            shape: shape.iter().filter_map(|&length| NonZeroU64::new(length as u64)).collect(),
            dtype: data_type,
            fill: FillValue::new(vec![0; dtype.size()]),
            names,
        })
    }

    /// Names of the codecs.
    pub fn names(&self) -> &str {
        &self.names
    }

    /// Decodes a chunk; gives its elements in C order.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            let options = CodecOptions::default().with_concurrent_target(1);
            let decoded = self.chain.decode(Cow::Borrowed(bytes), &self.shape, &self.dtype, &self.fill, &options);
            decoded.and_then(|decoded| Ok(decoded.into_fixed()?)).map_err(|error| error.to_string())
        }));
        let decoded = decoded.unwrap_or_else(|_| Err("the codec failed".to_string()));
        decoded.map_err(|why| format!("its {} data cannot be decoded: {why}", self.names))
    }
}
