"""Parts of the measurement of forecasts."""
