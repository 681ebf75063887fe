//! How much may be received: budgets too small for what they are for.

use super::Survey;

impl Survey<'_> {
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
