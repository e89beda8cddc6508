"""Jobs, schedules and sensors: when the assets are made."""
