//! What every rule is told about its request besides its input.

use crate::places::Places;
use crate::{Entropy, Seed, Timestamp};

/// The moment, the randomness and the origin of one request. Cheap to clone into a transaction.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// When the request arrived.
    pub now: Timestamp,
    /// The request's randomness.
    pub seed: Seed,
    /// The address of the person or script, as the proxy rules of the edge found it.
    pub ip_address: String,
    /// The `User-Agent` header, cut to 512 characters.
    pub user_agent: String,
    /// What is known of places.
    pub places: Places,
}

impl Ctx {
    /// Starts the request's stream of random values. Each call starts anew, so call it once per rule.
    pub fn entropy(&self) -> Entropy {
        Entropy::new(self.seed)
    }

    /// A stream of its own for each label, for a rule that is a part of others.
    pub fn stream(&self, label: &str) -> Entropy {
        let mut text = self.seed.0.to_vec();
        text.extend_from_slice(label.as_bytes());
        Entropy::new(Seed(crate::secret::sha256(&text)))
    }
}
