use super::*;

fn random(seed: u64) -> Xoshiro256Plus {
    Xoshiro256Plus::seed_from_u64(seed)
}

/// `n` people around a point, `prefix` before their numbers.
fn around(prefix: &str, role: &str, n: usize, middle: &[f64], random: &mut Xoshiro256Plus) -> Vec<Profile> {
    let vector = |random: &mut Xoshiro256Plus| middle.iter().map(|m| m + 0.3 * normal(random)).collect();
    (0..n).map(|i| member(&format!("{prefix}{i:03}"), role, vector(random))).collect()
}

fn member(id: &str, role: &str, vector: Vec<f64>) -> Profile {
    Profile { id: id.to_owned(), role: role.to_owned(), vector, days: 20.0 }
}

/// Who calls and who exports: half of sixteen columns tells them apart.
fn caller() -> Vec<f64> {
    (0..16).map(|k| if k < 8 { 3.0 } else { 1.0 }).collect()
}

fn exporter() -> Vec<f64> {
    (0..16).map(|k| if k < 8 { 1.0 } else { 1.2 }).collect()
}

fn two_jobs(role: &str, n: usize, random: &mut Xoshiro256Plus) -> Vec<Profile> {
    [around("c", role, n, &caller(), random), around("e", role, n, &exporter(), random)].concat()
}

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// How many are in each group.
fn counts(groups: &BTreeMap<String, String>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    groups.values().for_each(|name| *counts.entry(name.as_str()).or_default() += 1);
    counts
}

/// One cloud after another from `vector`, none of which may be split.
fn never_split(what: &str, vector: impl Fn(&mut Xoshiro256Plus) -> Vec<f64>) {
    for seed in 0..25 {
        let mut random = random(seed);
        let n = 10 + usize::try_from(seed).expect("small") * 2;
        let members: Vec<Profile> = (0..n).map(|i| member(&format!("m{i:03}"), "", vector(&mut random))).collect();
        assert_eq!(fit(&members, &none()), none(), "{what}, seed {seed}");
    }
}

#[test]
fn one_job_is_never_split() {
    let columns = |n: usize, of: &dyn Fn() -> f64| -> Vec<f64> { (0..n).map(|_| of()).collect() };
    let with = |n: usize, f: fn(&mut Xoshiro256Plus) -> f64| {
        move |random: &mut Xoshiro256Plus| {
            let random = std::cell::RefCell::new(random);
            columns(n, &|| f(&mut random.borrow_mut()))
        }
    };
    never_split("normal, 16 columns", with(16, normal));
    never_split("normal, 1 column", with(1, normal));
    never_split("even, 1 column", with(1, uniform));
    never_split("even, 2 columns", with(2, uniform));
    never_split("skewed, 8 columns", with(8, |random| normal(random).exp()));
    never_split("mostly nothing, 8 columns", with(8, |random| (normal(random) - 1.0).max(0.0)));
    never_split("how much they work", |random| {
        let busy = normal(random);
        (0..16).map(|_| 3.0 + busy + 0.2 * normal(random)).collect()
    });
    never_split("how much they work, skewed", |random| {
        let busy = -uniform(random).ln();
        (0..16).map(|_| 3.0 + busy + 0.2 * normal(random)).collect()
    });
    never_split("how much they work, evenly", |random| {
        let busy = 2.0 * uniform(random);
        (0..16).map(|_| 3.0 + busy + 0.1 * normal(random)).collect()
    });
}

#[test]
fn two_jobs_under_one_role_are_told_apart() {
    for seed in 0..25 {
        let mut random = random(seed);
        let n = 8 + usize::try_from(seed).expect("small");
        let groups = fit(&two_jobs("sales", n, &mut random), &none());
        assert_eq!(counts(&groups), BTreeMap::from([("sales~1", n), ("sales~2", n)]), "seed {seed}");
        assert!(groups.iter().all(|(id, name)| id.starts_with('c') == (name == "sales~1")), "seed {seed}");
    }
}

#[test]
fn missing_roles_are_grouped_together_and_others_stay() {
    let mut random = random(1);
    let mut members = [around("c", "", 12, &caller(), &mut random), around("e", "unknown", 12, &exporter(), &mut random)].concat();
    members.extend(around("s", "support", 12, &exporter(), &mut random));
    assert_eq!(counts(&fit(&members, &none())), BTreeMap::from([("~1", 12), ("~2", 12)]));
}

#[test]
fn order_does_not_matter_and_nothing_is_by_chance() {
    let mut members = two_jobs("sales", 12, &mut random(2));
    let groups = fit(&members, &none());
    assert_eq!(fit(&members, &none()), groups);
    for turn in [1, 7, 13] {
        members.rotate_left(turn);
        assert_eq!(fit(&members, &none()), groups);
        members.reverse();
        assert_eq!(fit(&members, &none()), groups);
    }
}

#[test]
fn names_stay_when_the_order_of_people_or_one_persons_work_changes() {
    let before = fit(&two_jobs("sales", 12, &mut random(3)), &none());
    // Another week, with a newcomer who sorts first and would make exporters the first group.
    let mut members = two_jobs("sales", 12, &mut random(4));
    members.push(member("a000", "sales", exporter()));
    assert_eq!(fit(&members, &none())["a000"], "sales~1");
    let mut after = fit(&members, &before);
    assert_eq!(after.remove("a000").as_deref(), Some("sales~2"));
    assert_eq!(after, before);
    // One exporter begins to call: they alone move.
    members.iter_mut().find(|m| m.id == "e003").expect("there").vector = caller();
    let moved: Vec<_> = fit(&members, &before).into_iter().filter(|(id, name)| before.get(id).is_some_and(|b| b != name)).collect();
    assert_eq!(moved, [("e003".to_owned(), "sales~1".to_owned())]);
}

#[test]
fn a_new_group_takes_the_least_free_number() {
    let mut random = random(5);
    let mut members = two_jobs("sales", 10, &mut random);
    let named = |id: &str| if id.starts_with('c') { "sales~3" } else { "sales~1" };
    let before: BTreeMap<String, String> = members.iter().map(|m| (m.id.clone(), named(&m.id).to_owned())).collect();
    let third = (0..16).map(|k| if k > 9 { 4.0 } else { 1.0 }).collect::<Vec<f64>>();
    members.extend(around("a", "sales", 10, &third, &mut random));
    let after = fit(&members, &before);
    assert_eq!(counts(&after), BTreeMap::from([("sales~1", 10), ("sales~2", 10), ("sales~3", 10)]));
    assert_eq!((after["a000"].as_str(), after["c000"].as_str(), after["e000"].as_str()), ("sales~2", "sales~3", "sales~1"));
}

#[test]
fn a_group_of_another_role_says_nothing() {
    let members = two_jobs("sales", 10, &mut random(6));
    let before = members.iter().map(|m| (m.id.clone(), "sale~7".to_owned())).collect();
    assert_eq!(fit(&members, &before), fit(&members, &none()));
}

#[test]
fn a_few_oddities_are_no_group_of_their_own() {
    let mut random = random(7);
    let odd = vec![8.0; 16];
    let mut members = two_jobs("sales", 15, &mut random);
    members.extend(around("o", "sales", LEAST_SIZE - 1, &odd, &mut random));
    assert!(counts(&fit(&members, &none())).into_values().all(|n| n >= LEAST_SIZE));
    let mut alone = around("c", "sales", 20, &caller(), &mut random);
    alone.extend(around("o", "sales", LEAST_SIZE - 1, &odd, &mut random));
    assert_eq!(fit(&alone, &none()), none());
}

#[test]
fn whoever_cannot_be_judged_is_left_out() {
    let mut members = two_jobs("sales", 10, &mut random(8));
    let groups = fit(&members, &none());
    for (id, days, value) in [("n1", 20.0, f64::NAN), ("n2", 20.0, f64::INFINITY), ("n3", 4.9, 1.0), ("n4", f64::NAN, 1.0)] {
        members.push(Profile { days, ..member(id, "sales", vec![value; 16]) });
    }
    assert_eq!(fit(&members, &none()), groups);
}

#[test]
fn little_or_nothing_to_go_by_gives_no_groups() {
    for n in 0..10 {
        let mut members = two_jobs("", 5, &mut random(9));
        members.truncate(n);
        assert_eq!(fit(&members, &none()), none(), "{n} members");
    }
    for vector in [vec![], vec![2.5; 16], vec![f64::MAX; 3]] {
        let members: Vec<Profile> = (0..30).map(|i| member(&format!("m{i}"), "", vector.clone())).collect();
        assert_eq!(fit(&members, &none()), none(), "{vector:?}");
    }
}

#[test]
fn of_very_many_people_some_are_judged_and_all_are_named() {
    let groups = fit(&two_jobs("sales", 3 * MOST_JUDGED, &mut random(10)), &none());
    assert_eq!(counts(&groups), BTreeMap::from([("sales~1", 3 * MOST_JUDGED), ("sales~2", 3 * MOST_JUDGED)]));
}

#[test]
fn silhouette_by_hand() {
    // 0 and 1 beside 4 and 6: a = 1, 1, 2, 2; b = 5, 4, 3.5, 5.5.
    let points = Array2::from_shape_vec((4, 1), vec![0.0, 1.0, 4.0, 6.0]).expect("4 of 1");
    let expected = (4.0 / 5.0 + 3.0 / 4.0 + 1.5 / 3.5 + 3.5 / 5.5) / 4.0;
    assert!((silhouette(&points, &[0, 0, 1, 1]) - expected).abs() < 1e-12);
}

#[test]
fn clouds_have_the_spread_of_what_they_are_made_from() {
    let members = two_jobs("", 100, &mut random(11));
    let points = standardised(&members.iter().collect::<Vec<_>>());
    let mut random = random(12);
    let product = |of: &Array2<f64>| (&of.column(0) * &of.column(1)).mean().expect("rows");
    let clouds: f64 = (0..50).map(|_| product(&cloud(&points, &mut random))).sum::<f64>() / 50.0;
    assert!((clouds - product(&points)).abs() < 0.05, "{clouds} {}", product(&points));
}

#[test]
fn one_habit_is_no_job() {
    let mut random = random(13);
    let mut members = around("m", "sales", 40, &caller(), &mut random);
    members.iter_mut().skip(20).for_each(|m| m.vector[3] += 5.0);
    assert_eq!(fit(&members, &none()), none());
}
