"""The bench: how far from its limit is each thing that takes time?

A machine is shared and its clock speed wanders, so that a rate alone says little. Each figure is therefore given beside a
limit that is measured in the same run, in turns (ours, limit, ours, limit, ...): what the same work costs with everything
left out that this project adds. What is compared is the ratio of the two, as the median over the turns with least and most.
"""
