"""Looking at a computation: the first NaN, where the time goes, the graph as a picture; and the watching that these rest on."""
