"""The sections of a report, each a function from what there is to tell to Markdown."""
