"""The parts of the sample company: names, lists, receivables, BluBilling's catalog and its first quarter."""
