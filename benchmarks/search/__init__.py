"""How many trials the search strategies need: on stored spaces, and beside TVM's MetaSchedule."""
