//! What the tests' output means.

use anyhow::{Result, bail};

/// Tests that fail where they ought to say that they cannot be run, and why.
const CANNOT_RUN: [(&str, &str); 1] = [("amx_64", "no CPU model has AMX")];

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Passed,
    Skipped,
    /// With this exit status.
    Failed(i32),
    /// It took too long, and was ended.
    HungUp,
    /// The guest ended in mid-test.
    Died,
}

/// One test's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    name: String,
    status: Status,
    /// The last lines that tell of a failure.
    said: Vec<String>,
}

/// Reads the guest's output.
pub fn results(text: &str) -> Vec<TestResult> {
    let mut out = Vec::new();
    for part in text.split("TEST-BEGIN ").skip(1) {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        let (body, status) = match body.split_once(&format!("TEST-END {name} ")) {
            Some((body, rest)) => (body, rest.split_whitespace().next().and_then(|word| word.parse().ok())),
            None => (body, None),
        };
        let status = match status {
            Some(0) => Status::Passed,
            Some(4) => Status::Skipped,
            Some(124 | 143) => Status::HungUp,
            Some(other) => Status::Failed(other),
            None => Status::Died,
        };
        let failures: Vec<&str> =
            body.lines().filter(|line| line.starts_with("[FAIL]") || line.starts_with("[WARN]")).collect();
        let lines = if failures.is_empty() { body.trim().lines().collect() } else { failures };
        let said = lines.iter().rev().take(3).rev().map(|line| line.trim().to_owned()).collect();
        out.push(TestResult { name: name.trim().to_owned(), status, said });
    }
    out
}

/// Prints failures and the sum.
pub fn report(results: &[TestResult]) -> Result<()> {
    let count = |wanted: Status| results.iter().filter(|result| result.status == wanted).count();
    let (passed, skipped) = (count(Status::Passed), count(Status::Skipped));
    let mut expected = 0;
    for result in results.iter().filter(|result| !matches!(result.status, Status::Passed | Status::Skipped)) {
        println!("{:?} {}: {}", result.status, result.name, result.said.join(" / "));
        if let Some((_, why)) = CANNOT_RUN.iter().find(|(name, _)| *name == result.name) {
            println!("    which was expected: {why}");
            expected += 1;
        }
    }
    let failed = results.len() - passed - skipped - expected;
    println!("{passed} passed, {failed} failed, {expected} cannot be run, {skipped} skipped");
    match results.len() {
        0 => bail!("the guest ran no test: see --log"),
        _ if failed > 0 => bail!("{failed} tests failed"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_told_apart() {
        let text = "TESTS-START\nTEST-BEGIN a_64\n[OK]\tfine\n\nTEST-END a_64 0\nTEST-BEGIN b_32\n[FAIL]\tbad\nmore\n\nTEST-END b_32 1\n\
                    TEST-BEGIN c\nTEST-END c 4\nTEST-BEGIN d\n\nTEST-END d 124\nTEST-BEGIN e\nlast";
        let results = results(text);
        let statuses: Vec<Status> = results.iter().map(|result| result.status.clone()).collect();
        assert_eq!(statuses, [Status::Passed, Status::Failed(1), Status::Skipped, Status::HungUp, Status::Died]);
        assert_eq!((results[1].said[0].as_str(), results[4].said[0].as_str()), ("[FAIL]\tbad", "last"));
        assert!(report(&results).is_err() && report(&results[..1]).is_ok() && report(&[]).is_err());
        let amx = super::results("TEST-BEGIN amx_64\nTEST-END amx_64 1\n");
        assert!(report(&amx).is_ok());
    }
}
