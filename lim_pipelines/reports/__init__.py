"""Pages about results: a strategy's report and the leaderboard."""
