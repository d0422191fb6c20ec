//! Names of containers: which are possible, and made-up ones.

use corten_base::Id;

const ADJECTIVES: [&str; 64] = [
    "able", "amber", "ardent", "balmy", "bold", "brave", "bright", "brisk", "calm", "candid",
    "cheery", "clever", "cosy", "crisp", "curious", "daring", "deft", "eager", "earnest", "fair",
    "famous", "fluent", "fond", "frank", "gentle", "gifted", "glad", "golden", "graceful", "hardy",
    "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow", "merry",
    "mighty", "modest", "nimble", "noble", "patient", "placid", "polite", "proud", "quick",
    "quiet", "rapid", "ready", "robust", "rustic", "serene", "sharp", "silent", "sincere",
    "steady", "sunny", "tidy", "vivid", "warm", "witty",
];

/// Women and men of science and engineering.
const SURNAMES: [&str; 80] = [
    "ampere",
    "archimedes",
    "babbage",
    "bardeen",
    "bell",
    "bernoulli",
    "bohr",
    "boltzmann",
    "boole",
    "brahe",
    "carson",
    "cauchy",
    "celsius",
    "chandrasekhar",
    "clarke",
    "colden",
    "copernicus",
    "coulomb",
    "curie",
    "darwin",
    "descartes",
    "diesel",
    "dijkstra",
    "dirac",
    "earhart",
    "eiffel",
    "einstein",
    "elion",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "fourier",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "goedel",
    "goodall",
    "hamilton",
    "hawking",
    "heisenberg",
    "hertz",
    "hilbert",
    "hodgkin",
    "hopper",
    "hubble",
    "hypatia",
    "joule",
    "kepler",
    "knuth",
    "kovalevskaya",
    "lamarr",
    "laplace",
    "leibniz",
    "liskov",
    "lovelace",
    "maxwell",
    "meitner",
    "mendel",
    "newton",
    "noether",
    "nobel",
    "pascal",
    "pasteur",
    "planck",
    "ptolemy",
    "ramanujan",
    "riemann",
    "ritchie",
    "shannon",
    "tesla",
    "thompson",
    "turing",
    "volta",
    "watt",
    "yonath",
];

/// Docker's `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(crate) fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() >= 2
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b))
}

/// `adjective_surname`, with a digit behind it from the second `attempt` on.
pub(crate) fn random(attempt: u32) -> String {
    // An ID's digits are random; eight of them choose both words and the digit.
    let digits = u64::from_str_radix(&Id::random().to_string()[..15], 16).unwrap_or(0);
    let pick = |list: &[&'static str], number: u64| list[(number % list.len() as u64) as usize];
    let name = format!(
        "{}_{}",
        pick(&ADJECTIVES, digits),
        pick(&SURNAMES, digits / ADJECTIVES.len() as u64)
    );
    if attempt == 0 {
        name
    } else {
        format!("{name}{}", (digits >> 32) % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_are_possible_names() {
        for attempt in 0..20 {
            let name = random(attempt);
            assert!(is_valid(&name) && name.contains('_'), "{name}");
        }
        for name in ["a", "-x", "a b", "a/b", ""] {
            assert!(!is_valid(name), "{name}");
        }
    }
}
