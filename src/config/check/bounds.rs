//! How much may be sent and received: limits that contradict each other, and budgets too small for what
//! they are for.

use super::Survey;
use crate::model::rate::{Rate, second_of_a_kind};

impl Survey<'_> {
    pub(super) fn limits_are_clear(&mut self) {
        let config = self.config;
        let tenants = config.tenant.iter().enumerate();
        self.no_two_alike("tenant", tenants.map(|(i, tenant)| (&tenant.name, format!("tenant[{i}].name"))));
        for (i, tenant) in config.tenant.iter().enumerate() {
            self.one_limit_for_each_time(&format!("tenant[{i}]"), &tenant.limits, &tenant.recipient_limits);
        }
        for (i, domain) in config.domain.iter().enumerate() {
            self.one_limit_for_each_time(&format!("domain[{i}]"), &domain.limits, &domain.recipient_limits);
        }
        for (i, credential) in config.credential.iter().enumerate() {
            let at = format!("credential[{i}]");
            self.one_limit_for_each_time(&at, &credential.limits, &credential.recipient_limits);
        }
    }

    fn one_limit_for_each_time(&mut self, at: &str, messages: &[Rate], recipients: &[Rate]) {
        for (key, rates) in [("limits", messages), ("recipient_limits", recipients)] {
            let Some(second) = second_of_a_kind(rates) else { continue };
            let per = rates[second].per;
            let first = rates.iter().position(|rate| rate.per == per).unwrap_or(second);
            let first = self.place(&format!("{at}.{key}[{first}]"));
            let message = format!("\"{key}\" has two limits per {}", per.as_str());
            self.error(&format!("{at}.{key}[{second}]"), message, |finding| {
                finding.label("only the smaller one would count").also(first, "first here")
            });
        }
    }

    /// A message of the largest size must fit, or its sender would try it in vain for days.
    pub(super) fn bodies_fit_the_memory(&mut self) {
        let (one, all) = (self.config.smtp.message_bytes_max, self.config.smtp.body_memory);
        if all < u64::from(one) {
            let largest = self.place("smtp.message_bytes_max");
            let message = format!("\"body_memory\" of {all} bytes is too small for one message of {one}");
            self.error("smtp.body_memory", message, |finding| {
                finding.label("the largest message would never fit").also(largest, "the largest message")
            });
        }
    }
}
