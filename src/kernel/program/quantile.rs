//! How a quantile is made of order statistics.

use serde::{Deserialize, Serialize};

/// NumPy's methods of quantiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "NumPy's names")]
pub enum QuantileMethod {
    /// Between the two nearest elements, in proportion.
    #[default]
    Linear,
    Lower,
    Higher,
    Midpoint,
    /// The nearest element; of two, the one of even rank.
    Nearest,
    InvertedCdf,
    AveragedInvertedCdf,
    ClosestObservation,
    InterpolatedInvertedCdf,
    Hazen,
    Weibull,
    MedianUnbiased,
    NormalUnbiased,
}

impl QuantileMethod {
    /// All of them.
    pub const ALL: [QuantileMethod; 13] = [
        QuantileMethod::Linear,
        QuantileMethod::Lower,
        QuantileMethod::Higher,
        QuantileMethod::Midpoint,
        QuantileMethod::Nearest,
        QuantileMethod::InvertedCdf,
        QuantileMethod::AveragedInvertedCdf,
        QuantileMethod::ClosestObservation,
        QuantileMethod::InterpolatedInvertedCdf,
        QuantileMethod::Hazen,
        QuantileMethod::Weibull,
        QuantileMethod::MedianUnbiased,
        QuantileMethod::NormalUnbiased,
    ];

    /// NumPy's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            QuantileMethod::Linear => "linear",
            QuantileMethod::Lower => "lower",
            QuantileMethod::Higher => "higher",
            QuantileMethod::Midpoint => "midpoint",
            QuantileMethod::Nearest => "nearest",
            QuantileMethod::InvertedCdf => "inverted_cdf",
            QuantileMethod::AveragedInvertedCdf => "averaged_inverted_cdf",
            QuantileMethod::ClosestObservation => "closest_observation",
            QuantileMethod::InterpolatedInvertedCdf => "interpolated_inverted_cdf",
            QuantileMethod::Hazen => "hazen",
            QuantileMethod::Weibull => "weibull",
            QuantileMethod::MedianUnbiased => "median_unbiased",
            QuantileMethod::NormalUnbiased => "normal_unbiased",
        }
    }

    /// The method called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<QuantileMethod> {
        QuantileMethod::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether it always gives an element of the array, so that integers stay integers.
    #[must_use]
    pub fn is_discrete(self) -> bool {
        use QuantileMethod as M;
        matches!(self, M::Lower | M::Higher | M::Nearest | M::InvertedCdf | M::ClosestObservation)
    }
}
