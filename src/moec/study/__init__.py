"""Many runs judged against what was measured."""
