"""Sentences for the heads to say: an English grammar, and word lists of other languages for their sounds."""

# ruff: noqa: RUF001 – Turkish has a dotless i

import numpy as np

SUBJECTS = (
    "my mother", "the old farmer", "a bold pilot", "the mayor of Bombay", "every family",
    "Peter's brother", "the famous painter", "nobody", "the baker's wife", "our team", "a young woman",
    "the weather office", "the committee", "Phoebe", "this small company", "the prime minister",
    "some of the boys", "her best friend", "a quiet student", "the football club", "the bus driver",
    "my favourite author", "the vice president",
)  # fmt: skip
VERBS = (
    "bought", "has finally found", "might improve", "wants to paint", "will never forget", "spoke about",
    "dropped", "may remember", "is preparing", "has often visited", "promised to bring", "hopes to move",
    "will publish", "believes in", "laughed about", "has just opened", "was watching", "cannot explain",
    "described", "had already sold", "keeps mentioning", "has been saving", "would rather have",
)  # fmt: skip
OBJECTS = (
    "a purple umbrella", "the map of the village", "five warm apples", "the beautiful piano",
    "a new bridge", "the whole problem", "a cheap apartment", "the evening paper", "seven big boxes",
    "the wooden boat", "some very good coffee", "the public library", "a simple plan",
    "the most important question", "two zebras", "a shipment of tomatoes", "the hotel by the beach",
    "fresh bread and butter", "the other opinion", "a pair of blue shoes", "the empty swimming pool",
    "a wonderful photograph", "the final chapter",
)  # fmt: skip
ADVERBIALS = (
    "before the meeting", "in the middle of February", "above the shop", "without a map",
    "for the first time", "after a long pause", "by the river bank", "as far as we know", "with a smile",
    "on a rainy afternoon", "because of the storm", "at about half past four", "in front of everybody",
    "without any help", "from the beginning", "this morning", "every other week", "all over the world",
    "near the airport",
)  # fmt: skip
OPENINGS = (
    "Well,", "Maybe", "As you may have heard,", "Of course,", "In my opinion,", "Thank you.", "Remember,",
    "By the way,", "From what I've seen,", "Surprisingly,", "Good evening.", "Above all,", "To be fair,",
)  # fmt: skip

WORDS = {
    "de": "aber mit über Boden Abend fünf Woche Apfel bevor Mutter schön öffnen Brief Zeitung Wasser "
    "bleiben Frühling Bäume vielleicht Bürger Pfeffer immer Gruppe Hoffnung vorbei Beispiel wollen "
    "Familie Post",
    "fr": "bonjour beaucoup madame peuple fenêtre avant problème famille oublier bateau petit pomme voiture "
    "mille vous pouvez boire janvier maman lumière ouvrir après bientôt semaine monde peut-être vieux",
    "es": "buenos amigo pueblo también problema familia siempre vamos palabra mujer abuelo primero lluvia "
    "ventana cuando hombre publico mapa boca nueve favor beber camino pobre empezar tiempo febrero",
    "it": "buongiorno amico bambino problema famiglia sempre parola primo finestra quando uomo pubblico "
    "bocca nove piove bevono cammino povero tempo febbraio mamma libro vorrei aprire giovane imparare",
    "pt": "bom amigo povo também problema família sempre palavra mulher primeiro chuva janela quando homem "
    "público boca nove favor beber caminho pobre começar tempo fevereiro livro abrir jovem",
    "pl": "dobry wieczór pan bardzo proszę mama babcia woda okno wiosna problem palec most brama pomoc moje "
    "powoli książka wszystko być może popołudnie piękny widok bawić śpiewać obok",
    "tr": "merhaba babam bugün problem pencere yavaş bilmiyorum büyük kapı mavi umut öğretmen sabah beyaz "
    "mümkün köprü vapur pazar günü belki bütün evimiz hep beraber yapmak bir bardak",
    "ar": "مرحبا باب مكتب مساء البيت برنامج مدينة وزير يوم محمد فيلم بلد ممكن صباح كبير مشروع وفد بيان "
    "مؤتمر حكومة مباراة فريق لبنان شباب موضوع معلومات أفضل",
    "hi": "नमस्ते भाई पानी बहुत परिवार मौसम प्रधान मंत्री बाज़ार फूल बारिश उम्मीद कपड़ा पहले भारत मुंबई "
    "सब्ज़ी अब मेरा विभाग पुस्तक आम माता पिता",
}
LANGUAGES = tuple(WORDS)


def english(rng: np.random.Generator) -> str:
    """One English sentence."""
    parts = [rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(OBJECTS)]
    if rng.random() < 0.6:
        parts.append(rng.choice(ADVERBIALS))
    sentence = " ".join(parts)
    if rng.random() < 0.35:
        return f"{rng.choice(OPENINGS)} {sentence}."
    return f"{sentence[0].upper()}{sentence[1:]}."


def foreign(language: str, rng: np.random.Generator) -> str:
    """Words of `language` in the cadence of a sentence: the sounds matter here, not the sense."""
    words = rng.choice(WORDS[language].split(), size=int(rng.integers(4, 9)))
    comma = int(rng.integers(2, len(words)))
    return f"{' '.join(words[:comma])}, {' '.join(words[comma:])}."


def sentence(language: str, rng: np.random.Generator) -> str:
    """A sentence in `language`, a key of `WORDS` or any espeak-ng name of English."""
    return foreign(language, rng) if language in WORDS else english(rng)
