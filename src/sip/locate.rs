//! The order in which a domain's servers are tried (RFC 3263 §4, RFC 2782). Asks nobody: the records are given.

use crate::ids::Rng;

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Lower first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
    pub port: u16,
    pub host: String,
}

/// By priority; within one priority drawn by weight (RFC 2782, "Weight").
pub fn in_order(mut services: Vec<Service>, rng: &mut Rng) -> Vec<Service> {
    // Those without weight stand first among their equals, so that they have their small chance.
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(priority) = services.first().map(|service| service.priority) {
        let of_it = services.iter().take_while(|service| service.priority == priority);
        let total: u64 = of_it.clone().map(|service| u64::from(service.weight)).sum();
        let drawn = rng.below(total + 1);
        let mut sum = 0;
        let reached = |service: &Service| {
            sum += u64::from(service.weight);
            sum >= drawn
        };
        let at = of_it.map(reached).position(|reached| reached).unwrap_or(0);
        ordered.push(services.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, host: &str) -> Service {
        Service { priority, weight, port: 5060, host: host.to_owned() }
    }

    fn first_of(services: &[Service], seed: u64) -> String {
        in_order(services.to_vec(), &mut Rng::from_number(seed)).remove(0).host
    }

    #[test]
    fn priorities_come_in_their_order_whatever_the_weights() {
        let services = [service(20, 900, "c"), service(10, 0, "b"), service(5, 1, "a"), service(30, 65_535, "d")];
        for seed in 0..200 {
            let ordered = in_order(services.to_vec(), &mut Rng::from_number(seed));
            assert_eq!(ordered.iter().map(|service| service.host.as_str()).collect::<String>(), "abcd");
        }
    }

    #[test]
    fn nothing_is_lost_or_made_up() {
        let services: Vec<Service> = (0..20).map(|n| service(n % 3, n * 7 % 5, &format!("h{n}"))).collect();
        let mut ordered = in_order(services.clone(), &mut Rng::from_number(7));
        let mut wanted = services;
        ordered.sort();
        wanted.sort();
        assert_eq!(ordered, wanted);
        assert!(in_order(Vec::new(), &mut Rng::from_number(1)).is_empty());
    }

    #[test]
    fn weights_are_shares() {
        let services = [service(1, 30, "a"), service(1, 10, "b"), service(1, 0, "c")];
        let firsts: Vec<String> = (0..4_000).map(|seed| first_of(&services, seed)).collect();
        let count = |host: &str| firsts.iter().filter(|first| *first == host).count();
        let (a, b, c) = (count("a"), count("b"), count("c"));
        assert!((2_700..3_200).contains(&a) && (800..1_200).contains(&b), "{a} {b} {c}");
        assert!(c > 0, "who has no weight has a small chance");
    }

    #[test]
    fn one_seed_gives_one_order() {
        let services: Vec<Service> = (0..9).map(|n| service(1, n, &format!("h{n}"))).collect();
        let order = |seed| in_order(services.clone(), &mut Rng::from_number(seed));
        assert_eq!(order(3), order(3));
        assert!((0..20).any(|seed| order(seed) != order(3)));
    }
}
