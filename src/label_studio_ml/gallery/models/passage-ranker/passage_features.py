"""How well passages answer a query, in numbers, and the weights of these numbers that rankings teach."""

import math
import re

import numpy
from scipy.optimize import minimize

#: Weights before a training: of cosine similarity, shared words (BM25) and length. All others are 0.
UNTRAINED = (15.0, 1.5, 0.0)
#: How strongly a training is held to the weights from before it: of few annotations it changes little.
HOLD = 0.001


def features(query, passages, query_vector, vectors):
    """Return an array with a row for each passage: cosine, BM25, length, then both forms of its embedding.

    `query_vector` and `vectors` are the embeddings of the query and the passages, each of length 1.
    """
    words = [_words(passage) for passage in passages]
    counts = numpy.array([[len(each)] for each in words]).reshape(-1, 1)
    shared = numpy.array(bm25(_words(query), words)).reshape(-1, 1)
    cosines = (vectors @ query_vector).reshape(-1, 1)
    # The factors say how freely a training changes the weight of a number.
    return numpy.hstack(
        [cosines, 0.1 * shared, 0.3 * numpy.log1p(counts), 6 * vectors * query_vector, 0.5 * vectors]
    )


def untrained(count):
    """Return the weights of `count` features before a training."""
    return numpy.array([*UNTRAINED, *[0.0] * (count - len(UNTRAINED))])


def learned_order(differences, importance):
    """Return weights by which passages come in the order that people gave them.

    `differences` has a row for each pair of passages: the features of the preferred one less those of the other.
    `importance` has a number for each pair. It is a logistic regression of the pairs, held to the weights from before a
    training.
    """
    start = untrained(differences.shape[1])
    shares = numpy.array(importance) / sum(importance)

    def loss(change):
        margins = differences @ (start + change)
        gradient = -differences.T @ (shares / (1 + numpy.exp(numpy.clip(margins, -500, 500))))
        return shares @ numpy.logaddexp(0, -margins) + HOLD * change @ change, gradient + 2 * HOLD * change

    return start + minimize(loss, numpy.zeros(len(start)), jac=True, method="L-BFGS-B").x


def bm25(query, documents, saturation=1.2, length_weight=0.75):
    """Return the BM25 score of each document for a query, all given as lists of words; rare words count more."""
    mean_length = sum(map(len, documents)) / max(1, len(documents)) or 1
    scores = []
    for document in documents:
        norm = saturation * (1 - length_weight + length_weight * len(document) / mean_length)
        score = 0.0
        for word in set(query) & set(document):
            having = sum(word in other for other in documents)
            rarity = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
            count = document.count(word)
            score += rarity * count * (saturation + 1) / (count + norm)
        scores.append(score)
    return scores


def _words(text):
    return re.findall(r"\w+", text.lower())
